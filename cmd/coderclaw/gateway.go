package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/internal/handoff"
)

// runFlags are the options of a foreground gateway; its subcommands inherit them.
func runFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "port", Usage: "listen on port `N`"},
		&cli.StringFlag{Name: "bind", Usage: "listen on `MODE`: loopback, lan, tailnet, auto or custom"},
		&cli.StringFlag{Name: "auth", Usage: "ask clients for a `KIND` of secret: token or password"},
		&cli.StringFlag{Name: "token", Usage: "the `TOKEN` that clients must show"},
		&cli.StringFlag{Name: "password", Usage: "the `PASSWORD` that clients must show"},
		&cli.StringFlag{Name: "tailscale", Usage: "publish through Tailscale: `MODE` off, serve or funnel"},
		&cli.BoolFlag{Name: "tailscale-reset-on-exit", Usage: "take that back at the end"},
		&cli.BoolFlag{Name: "allow-unconfigured", Usage: "start without gateway.mode in the config"},
		&cli.BoolFlag{Name: "force", Usage: "end what holds the port first"},
		&cli.BoolFlag{Name: "verbose", Usage: "log debug lines to the console"},
	}
}

func (a *app) gatewayCommand() *cli.Command {
	runAction := func(ctx context.Context, c *cli.Command) error {
		if _, ok := a.env(handoff.EnvParentFD); ok {
			return a.gatewaySupervised(ctx)
		}
		return a.gatewayForeground(ctx, c)
	}
	return &cli.Command{
		Name:   "gateway",
		Usage:  "run a gateway in the foreground, or manage its service",
		Flags:  runFlags(),
		Action: runAction,
		Commands: append([]*cli.Command{
			{Name: "run", Usage: "run the gateway in the foreground", Action: runAction},
			a.gatewayStatusCommand(),
			a.gatewayCallCommand(),
			a.gatewaySchemaCommand(),
			a.gatewayHealthCommand(),
			a.gatewayTokenCommand(),
			a.gatewayProbeCommand(),
			a.discoverCommand(),
		}, a.serviceVerbs()...),
	}
}
