package check_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"zocalo/check"
	"zocalo/internal/testenv"
	"zocalo/socket"
	"zocalo/socket/sockettest"
)

func TestMain(m *testing.M) {
	sockettest.RegisterMemory()
	testenv.Main(m)
}

// open returns the source of a kind, and skips the test where this machine
// lacks it.
func open(t *testing.T, kind string) *check.Source {
	t.Helper()
	src, err := check.Open(t.Context(), kind)
	if err != nil {
		t.Skipf("this machine has no %s: %v", kind, err)
	}
	t.Cleanup(func() {
		if src.Close != nil {
			src.Close()
		}
	})
	return src
}

// try makes the experiments on some properties, with a patience that other
// tests on a busy machine do not use up.
func try(t *testing.T, src *check.Source, properties ...string) check.KindReport {
	t.Helper()
	return tryWithin(t, 20*time.Second, src, properties...)
}

func tryWithin(t *testing.T, patience time.Duration, src *check.Source, properties ...string) check.KindReport {
	t.Helper()
	report, err := check.Try(t.Context(), src, check.Options{Properties: properties, Patience: patience})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// broken returns the properties that a report says are broken, and fails the
// test if an experiment could not be made.
func broken(t *testing.T, report check.KindReport) []string {
	t.Helper()
	var names []string
	for _, f := range report.Findings {
		switch f.Verdict {
		case check.Broken:
			names = append(names, f.Property)
			t.Logf("%s %s: %s, %s", report.Kind, f.Property, f.Word, f.Seen)
		case check.Failed:
			t.Errorf("%s %s: %s", report.Kind, f.Property, f.Reason)
		}
	}
	return names
}

func wantBroken(t *testing.T, report check.KindReport, want ...string) {
	t.Helper()
	if !report.Available {
		t.Fatalf("%s is not available: %s", report.Kind, report.Reason)
	}
	if got := broken(t, report); !slices.Equal(got, want) {
		t.Errorf("broken: %q, want %q", got, want)
	}
}

// bend returns a source like src whose new sockets are what bend makes of
// them, those at both ends of pairs too.
func bend(src *check.Source, bend func(*socket.Socket) socket.Endpoint) *check.Source {
	bent := *src
	wrap := func(s *socket.Socket) *socket.Socket { return socket.Wrap(bend(s), s.Kind()) }
	if src.New != nil {
		bent.New = func() (*socket.Socket, error) {
			s, err := src.New()
			if err != nil {
				return nil, err
			}
			return wrap(s), nil
		}
	}
	if src.Pair != nil {
		bent.Pair = func(ctx context.Context) (a, b *socket.Socket, err error) {
			if a, b, err = src.Pair(ctx); err != nil {
				return nil, nil, err
			}
			return wrap(a), wrap(b), nil
		}
	}
	return &bent
}

// A bent socket does as the one beneath it, but for what its users replace,
// and so do those that it accepts.
type bentSocket struct {
	*socket.Socket
	bend func(bentSocket) socket.Endpoint
}

func (b bentSocket) Accept(ctx context.Context) (socket.Endpoint, error) {
	s, err := b.Socket.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return b.bend(bentSocket{s, b.bend}), nil
}
