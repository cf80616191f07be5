package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// cleared is what `devices clear --json` prints.
type cleared struct {
	RemovedDevices  []string `json:"removedDevices"`
	RejectedPending []string `json:"rejectedPending"`
}

// devicesClear works over one connection and leaves the device that it works with.
func (a *app) devicesClear(ctx context.Context, c *cli.Command) error {
	if !c.Bool("yes") {
		return usageError("Refusing to clear pairing table without --yes")
	}
	return a.withGateway(ctx, c, func(ctx context.Context, _ target, conn *client.Client) error {
		var l protocol.DevicePairListResult
		if err := conn.Call(ctx, "device.pair.list", nil, &l); err != nil {
			return err
		}
		done := cleared{[]string{}, []string{}}
		for _, d := range l.Paired {
			if d.DeviceID == conn.DeviceID() {
				continue
			}
			if err := conn.Call(ctx, "device.pair.remove", protocol.DeviceParams{DeviceID: d.DeviceID}, nil); err != nil {
				return fmt.Errorf("%s: %w", d.DeviceID, err)
			}
			done.RemovedDevices = append(done.RemovedDevices, d.DeviceID)
		}
		for _, p := range l.Pending {
			if !c.Bool("pending") {
				break
			}
			if err := conn.Call(ctx, "device.pair.reject", protocol.PairRequestParams{RequestID: p.RequestID}, nil); err != nil {
				return fmt.Errorf("%s: %w", p.RequestID, err)
			}
			done.RejectedPending = append(done.RejectedPending, p.RequestID)
		}
		if c.Bool("json") {
			return a.printJSON(done)
		}
		fmt.Fprintf(a.stdout, "Removed %d devices, rejected %d requests.\n", len(done.RemovedDevices), len(done.RejectedPending))
		return nil
	})
}
