package zocalo_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/units"
	"zocalo/socket/scheme"
)

func lines(text ...string) string { return strings.Join(text, "\n") }

func TestRace(t *testing.T) {
	for _, c := range []struct {
		name, endpoint, events string
		winner                 string // the peer, or "" for no connection
		took                   time.Duration
	}{
		{"one name", "a.ok.1s", "0s connect a.ok.1s", "a.ok.1s", time.Second},
		{"first answers in time", "a.ok.200ms+b.ok.0s", "0s connect a.ok.200ms", "a.ok.200ms", 200 * time.Millisecond},
		{"first never answers", "a.hang+b.ok.100ms",
			lines("0s connect a.hang", "250ms connect b.ok.100ms"), "b.ok.100ms", 350 * time.Millisecond},
		{"first answers late, and first", "a.ok.400ms+b.ok.1s",
			lines("0s connect a.ok.400ms", "250ms connect b.ok.1s"), "a.ok.400ms", 400 * time.Millisecond},
		{"first fails at once", "a.refuse.0s+b.ok.100ms",
			lines("0s connect a.refuse.0s", "0s connect b.ok.100ms"), "b.ok.100ms", 100 * time.Millisecond},
		{"first fails before the delay", "a.refuse.100ms+b.hang+a.ok.0s",
			lines("0s connect a.refuse.100ms", "100ms connect b.hang", "350ms connect a.ok.0s"), "a.ok.0s", 350 * time.Millisecond},
		{"failure of one that is not the latest hastens nothing", "a.refuse.300ms+b.hang+a.ok.0s",
			lines("0s connect a.refuse.300ms", "250ms connect b.hang", "500ms connect a.ok.0s"), "a.ok.0s", 500 * time.Millisecond},
		{"domains take turns", "a.refuse.0s+a.refuse.0s.2+a.ok.0s+b.refuse.0s",
			lines("0s connect a.refuse.0s", "0s connect b.refuse.0s", "0s connect a.refuse.0s.2", "0s connect a.ok.0s"), "a.ok.0s", 0},
		{"the first name's domain begins", "b.refuse.0s+b.ok.0s+a.refuse.0s",
			lines("0s connect b.refuse.0s", "0s connect a.refuse.0s", "0s connect b.ok.0s"), "b.ok.0s", 0},
		{"the loser connects too", "a.late.300ms+b.ok.0s",
			lines("0s connect a.late.300ms", "250ms connect b.ok.0s"), "b.ok.0s", 300 * time.Millisecond},
		{"all fail", "a.refuse.100ms+b.refuse.0s",
			lines("0s connect a.refuse.100ms", "100ms connect b.refuse.0s"), "", 100 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin(t)
				start := time.Now()
				s, err := zocalo.Dial(t.Context(), "scripted:"+c.endpoint)
				if took := time.Since(start); took != c.took {
					t.Errorf("it took %v, want %v", took, c.took)
				}
				if got := events(); got != c.events {
					t.Errorf("it did\n%s\nwant\n%s", got, c.events)
				}
				switch {
				case c.winner == "":
					if !errors.Is(err, syscall.ECONNREFUSED) {
						t.Errorf("the error is %v, want ECONNREFUSED", err)
					}
				case err != nil:
					t.Error(err)
				default:
					if got := s.Peer().String(); got != c.winner {
						t.Errorf("connected to %s, want %s", got, c.winner)
					}
					if n := stillOpen(); n != 1 {
						t.Errorf("%d sockets are open, want the winner alone", n)
					}
					s.Close()
				}
			})
		})
	}
}

func TestAttemptDelay(t *testing.T) {
	for _, c := range []struct {
		name        string
		given, want time.Duration
	}{
		{"zero is the default", 0, 250 * time.Millisecond},
		{"too little is the least", time.Millisecond, 10 * time.Millisecond},
		{"given", 2 * time.Second, 2 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin(t)
				d := zocalo.Dialer{AttemptDelay: c.given}
				start := time.Now()
				s, err := d.Dial(t.Context(), "scripted:a.hang+b.ok.0s")
				if err != nil {
					t.Fatal(err)
				}
				s.Close()
				if took := time.Since(start); took != c.want {
					t.Errorf("the second attempt was made after %v, want %v", took, c.want)
				}
			})
		})
	}
}

// Negative makes no attempt beside another.
func TestNoRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin(t)
		start := time.Now()
		s, err := (&zocalo.Dialer{AttemptDelay: -1}).Dial(t.Context(), "scripted:a.refuse.3s+b.ok.0s")
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("the second attempt was made after %v", took)
		}
	})
}

func TestDialTimeout(t *testing.T) {
	for _, c := range []struct {
		name, address string
		timeout, want time.Duration
	}{
		{"of the dialer", "scripted:a.hang", 3 * time.Second, 3 * time.Second},
		{"of the address", "scripted:a.hang,connect-timeout=2s", 0, 2 * time.Second},
		{"the lesser is the address's", "scripted:a.hang+b.hang,connect-timeout=2s", 3 * time.Second, 2 * time.Second},
		{"the lesser is the dialer's", "scripted:a.hang+b.hang,connect-timeout=2s", time.Second, time.Second},
		{"zero in the address bounds nothing", "scripted:a.hang,connect-timeout=0", time.Second, time.Second},
		{"look-up", "scripted:slow,connect-timeout=2s", 0, 2 * time.Second},
		{"one by one", "scripted-dgram:a.hang+b.hang,connect-timeout=2s", 0, 2 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin(t)
				d := zocalo.Dialer{Timeout: c.timeout}
				start := time.Now()
				_, err := d.Dial(t.Context(), c.address)
				if took := time.Since(start); took != c.want {
					t.Errorf("it took %v, want %v", took, c.want)
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("errors.Is(%v, context.DeadlineExceeded) is false", err)
				}
				if want := "no answer came within " + units.Set(c.want); err == nil || strings.Count(err.Error(), want) != 1 {
					t.Errorf("the error is %v, want %q in it, once", err, want)
				}
				var ne net.Error
				if !errors.As(err, &ne) || !ne.Timeout() {
					t.Errorf("%v does not say that it is a timeout", err)
				}
			})
		})
	}
}

func TestDialContext(t *testing.T) {
	t.Run("ends while names race", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin(t)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			_, err := zocalo.Dial(ctx, "scripted:a.hang+b.hang,connect-timeout=5s")
			if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "within") {
				t.Errorf("the error is %v, want that of the context alone", err)
			}
		})
	})
	t.Run("has ended before", func(t *testing.T) {
		begin(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := zocalo.Dial(ctx, "scripted:a.ok.0s+b.ok.0s")
		if !errors.Is(err, context.Canceled) || events() != "" {
			t.Errorf("the error is %v after %q, want context.Canceled after nothing", err, events())
		}
	})
	t.Run("has its own deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := zocalo.Dial(ctx, "scripted:a.hang,connect-timeout=5s")
			if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "within") {
				t.Errorf("the error is %v, want that of the context alone", err)
			}
		})
	})
	t.Run("ends after the connection stands", func(t *testing.T) {
		begin(t)
		ctx, cancel := context.WithCancel(t.Context())
		s, err := zocalo.Dial(ctx, "scripted:a.ok.0s")
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := s.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		s.Close()
	})
}

// A kind without connections has nothing to race for.
func TestDialOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin(t)
		s, err := zocalo.Dial(t.Context(), "scripted-dgram:a.lack+a.ok.1s+b.ok.0s")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if got, want := events(), lines("0s connect a.lack", "0s connect b.ok.0s"); got != want {
			t.Errorf("it did\n%s\nwant\n%s", got, want)
		}
	})
}

func TestDialBindsFirst(t *testing.T) {
	for _, c := range []struct{ name, address, events string }{
		{"the domain of each", "scripted:a.refuse+b.ok.0s,bind=a.me+b.me+b.other,early=x,late=y",
			lines("0s set early=x", "0s bind a.me", "0s connect a.refuse", "0s set early=x", "0s bind b.me", "0s connect b.ok.0s", "0s set late=y")},
		{"names of other domains are left out", "scripted:a.ok.0s+b.ok.0s,bind=b.me",
			lines("0s bind b.me", "0s connect b.ok.0s")},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin(t)
				// The scripted domain has no SO_REUSEADDR to share a source by.
				s, err := zocalo.Dial(t.Context(), strings.Replace(c.address, "scripted:", "scripted-seqpacket:", 1))
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if got := events(); got != c.events {
					t.Errorf("it did\n%s\nwant\n%s", got, c.events)
				}
				if got := s.Name().String(); got != "b.me" {
					t.Errorf("its name is %q, want b.me", got)
				}
			})
		})
	}
	t.Run("no name of the domain", func(t *testing.T) {
		begin(t)
		_, err := zocalo.Dial(t.Context(), "scripted:a.ok.0s,bind=b.me")
		var oe *address.OptionError
		if !errors.As(err, &oe) || oe.Option != "bind" {
			t.Errorf("the error is %v, want one of option bind", err)
		}
	})
	t.Run("an option fails", func(t *testing.T) {
		for _, option := range []string{"early", "late"} {
			begin(t)
			_, err := zocalo.Dial(t.Context(), "scripted-seqpacket:a.ok.0s,"+option+"=bad")
			if !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), "option "+option+"=bad") {
				t.Errorf("the error is %v, want EINVAL of option %s", err, option)
			}
		}
	})
}

func TestDialErrors(t *testing.T) {
	begin(t)
	for _, c := range []struct{ name, address, want string }{
		{"one name", "scripted:a.refuse",
			"scripted:a.refuse: connection refused: nothing is listening there: start the server, or check the address"},
		{"same advice is given once", "scripted:a.refuse+b.refuse",
			"scripted:a.refuse+b.refuse: a.refuse and b.refuse: connection refused: nothing is listening there: start the server, or check the address"},
		{"advice that differs stays in place", "scripted:a.refuse+b.lack",
			"scripted:a.refuse+b.lack: a.refuse: connection refused: nothing is listening there: start the server, or check the address; " +
				"b.lack: address family not supported by protocol: this system does not have the domain"},
		{"no names", "scripted:none", `scripted:none: "none" means no name at all`},
		{"wrong endpoint", "scripted:x", `scripted:x: "x" is no name of a scripted socket`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := zocalo.Dial(t.Context(), c.address)
			if err == nil || err.Error() != c.want {
				t.Errorf("the error is\n%v\nwant\n%s", err, c.want)
			}
		})
	}
	t.Run("of the address", func(t *testing.T) {
		for text, want := range map[string]any{
			"nonsense:x":        new(*address.UnknownSchemeError),
			"scripted-listen:x": new(*address.SideError),
			"scripted:x,y=z":    new(*address.UnknownOptionError),
			"":                  new(*address.SyntaxError),
		} {
			if _, err := zocalo.Dial(t.Context(), text); !errors.As(err, want) {
				t.Errorf("Dial(%q) fails with %T %v, want %T", text, err, err, want)
			}
		}
		if _, err := zocalo.DialAddress(t.Context(), address.Address{}); err == nil {
			t.Error("the zero address can be dialled")
		}
		if _, err := zocalo.DialAddress(t.Context(), address.Address{Scheme: &scheme.Scheme{Name: "empty"}}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("a scheme that opens nothing fails with %v, want ErrUnsupported", err)
		}
	})
	t.Run("timeout", func(t *testing.T) {
		e := &zocalo.NamesError{Errs: []error{syscall.ECONNREFUSED, os.ErrDeadlineExceeded}}
		if !e.Timeout() {
			t.Error("one of two timed out, and Timeout is false")
		}
		if e = (&zocalo.NamesError{Errs: []error{syscall.ECONNREFUSED}}); e.Timeout() {
			t.Error("none timed out, and Timeout is true")
		}
	})
}
