package process

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"zocalo/codec"
	"zocalo/internal/nearest"
	"zocalo/socket"
)

// A Limit bounds what a program may use of a resource, see setrlimit(2).
type Limit struct {
	Name       string // as "nofile"
	Soft, Hard uint64 // in the resource's unit: bytes, seconds, a number
}

// Unlimited is no limit: RLIM_INFINITY.
const Unlimited = math.MaxUint64

// LimitNames returns the resources that this system can limit, sorted.
func LimitNames() []string { return slices.Sorted(maps.Keys(resources)) }

// ParseLimit reads NAME=VALUE, or NAME=SOFT:HARD, as nofile=256, as=1GiB,
// cpu=10s, core=0:unlimited. The names are those of setrlimit(2) in lower case
// without RLIMIT_. One value is for both.
func ParseLimit(text string) (Limit, error) {
	name, value, ok := strings.Cut(text, "=")
	name = strings.ToLower(name)
	if !ok {
		return Limit{}, fmt.Errorf("limit %q: write NAME=VALUE, such as nofile=256", text)
	}
	if _, known := resources[name]; !known {
		return Limit{}, nearest.Unknown("limit", name, LimitNames())
	}
	soft, hard, two := strings.Cut(value, ":")
	if !two {
		hard = soft
	}
	l := Limit{Name: name}
	for _, v := range []struct {
		text string
		to   *uint64
	}{{soft, &l.Soft}, {hard, &l.Hard}} {
		n, err := parseAmount(name, v.text)
		if err != nil {
			return Limit{}, fmt.Errorf("limit %s: %w", name, err)
		}
		*v.to = n
	}
	if l.Soft > l.Hard {
		return Limit{}, fmt.Errorf("limit %s: the soft limit %s is above the hard limit %s: it must not be", name, soft, hard)
	}
	return l, nil
}

func parseAmount(name, text string) (uint64, error) {
	if text == "unlimited" {
		return Unlimited, nil
	}
	if name == "cpu" {
		d, err := codec.ParseDuration(text)
		return uint64((d + time.Second - 1) / time.Second), err
	}
	n, err := codec.ParseSize(text)
	return uint64(n), err
}

// String returns the limit as ParseLimit reads it.
func (l Limit) String() string {
	return fmt.Sprintf("%s=%s:%s", l.Name, formatAmount(l.Soft), formatAmount(l.Hard))
}

func formatAmount(n uint64) string {
	if n == Unlimited {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

// check reports why this process could not set the limit.
func (l Limit) check() error {
	resource, ok := resources[l.Name]
	if !ok {
		return fmt.Errorf("unknown limit %q", l.Name)
	}
	if most, err := hardLimit(resource); err == nil && l.Hard > most && os.Geteuid() != 0 {
		return &socket.HintError{Err: fmt.Errorf("limit %v: %w", l, syscall.EPERM), Hint: "only root may raise a hard limit, which is " + formatAmount(most)}
	}
	return nil
}

// set sets the limit for this process.
func (l Limit) set() error {
	resource, ok := resources[l.Name]
	if !ok {
		return fmt.Errorf("unknown limit %q", l.Name)
	}
	if err := setrlimit(resource, l.Soft, l.Hard); err != nil {
		return fmt.Errorf("limit %v: %w", l, err)
	}
	return nil
}
