package exitcode_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

func TestOf(t *testing.T) {
	t.Parallel()
	base := errors.New("port 18789 is held")
	marked := exitcode.With(exitcode.Busy, base)
	for name, tc := range map[string]struct {
		err  error
		want exitcode.Code
	}{
		"nil":             {nil, exitcode.OK},
		"unmarked":        {base, exitcode.Failed},
		"marked":          {marked, exitcode.Busy},
		"wrapped mark":    {fmt.Errorf("profile dev: %w", marked), exitcode.Busy},
		"outermost wins":  {exitcode.With(exitcode.Config, marked), exitcode.Config},
		"nil stays a nil": {exitcode.With(exitcode.Config, nil), exitcode.OK},
	} {
		if got := exitcode.Of(tc.err); got != tc.want {
			t.Errorf("%s: got %d, want %d", name, got, tc.want)
		}
	}
	if !errors.Is(marked, base) {
		t.Error("a mark hides the error it marks")
	}
}
