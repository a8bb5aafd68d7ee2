package upstream

import (
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/nearest"
	"zocalo/internal/units"
	"zocalo/socket"
)

// The values of a [Config] where it does not say.
const (
	DefaultTries   = 3
	DefaultResolve = 30 * time.Second

	DefaultInterval = 2 * time.Second // of checks
	DefaultTimeout  = 2 * time.Second
	DefaultRise     = 2
	DefaultFall     = 3

	DefaultFailures = 3 // in a row, until a server is ejected
	DefaultEjection = 10 * time.Second
	DefaultLongest  = 5 * time.Minute
	DefaultShare    = 50 // percent
	DefaultEarly    = 10 * time.Second

	// MaxWeight is the greatest weight of a member.
	MaxWeight = 256
)

// A Config says what the servers are and how to choose among them. Only Members must
// be given: the zero values of the rest are good.
type Config struct {
	Members []Member
	Policy  Policy

	// Tries is how many servers are tried for a pair, one after the other, until one is
	// reached; 0 means DefaultTries, negative as many as there are.
	Tries int

	Check   Check
	Passive Passive

	// SlowStart is how long a server that comes back, or comes new to a pool that runs,
	// takes to get its whole share of new pairs: it begins with a tenth. 0 or less is
	// at once. The policy [SourceHash] has none, since peers would move twice.
	SlowStart time.Duration

	// Resolve is how often names are looked up again; 0 means DefaultResolve,
	// negative never. What could not be looked up stays as it was.
	Resolve time.Duration

	// Resolver looks up the names of hosts; nil is net.DefaultResolver.
	Resolver *net.Resolver

	// Log is told of servers that go down, come back, or change their addresses, one
	// line each; nil discards that. Nothing waits for it but Run: what it does not take
	// in time is lost, and counted (see [Pool.LostEvents]). It is the one of New: Update does
	// not change it.
	Log *slog.Logger
}

// A Member is where peers can go.
type Member struct {
	Address address.Address

	// Weight is its share of new pairs beside the weights of the others, from 1 to
	// MaxWeight; 0 is 1.
	Weight int

	// Backup takes part only while no member is up that is none.
	Backup bool

	check address.Address // what checks of it connect to
}

// A Policy says how to choose among the servers that are up.
type Policy uint8

// The policies.
const (
	// LeastOfTwo draws two servers at random, by their weights, and takes the one with
	// fewer open pairs for its weight. It avoids those that are slow, without all relays
	// of a site agreeing on the same one.
	LeastOfTwo Policy = iota

	// RoundRobin takes them in turn, heavier ones more often.
	RoundRobin

	// SourceHash takes the same one for all pairs of a host (of IPv6: of its /64) while that is
	// up, without keeping a list (rendezvous hashing): a server that goes moves its own peers
	// only. Peers without an address, as those of unix sockets, are balanced as by LeastOfTwo.
	SourceHash
)

var policyNames = []string{"least", "round-robin", "hash"}

// String returns the policy's word: least, round-robin or hash.
func (p Policy) String() string {
	if int(p) >= len(policyNames) {
		return fmt.Sprintf("policy %d", int(p))
	}
	return policyNames[p]
}

// ParsePolicy reads the word of a policy; "" is the default.
func ParsePolicy(word string) (Policy, error) {
	if word == "" {
		return LeastOfTwo, nil
	}
	if i := slices.Index(policyNames, strings.ToLower(word)); i >= 0 {
		return Policy(i), nil
	}
	return 0, nearest.Unknown("policy", word, policyNames)
}

// MarshalText returns String.
func (p Policy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePolicy.
func (p *Policy) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePolicy(string(text))
	return err
}

// A CheckKind says what a check does.
type CheckKind uint8

// The kinds of checks.
const (
	NoCheck      CheckKind = iota
	CheckConnect           // connects, with the layers of the address, and sends and expects what is to be
	CheckTLS               // and shakes hands by TLS over that, where the address has none
)

var checkNames = []string{"off", "connect", "tls"}

// String returns the kind's word: off, connect or tls.
func (k CheckKind) String() string {
	if int(k) >= len(checkNames) {
		return fmt.Sprintf("check %d", int(k))
	}
	return checkNames[k]
}

// ParseCheckKind reads the word of a kind of check; "" is off.
func ParseCheckKind(word string) (CheckKind, error) {
	if word == "" {
		return NoCheck, nil
	}
	if i := slices.Index(checkNames, strings.ToLower(word)); i >= 0 {
		return CheckKind(i), nil
	}
	return 0, nearest.Unknown("check", word, checkNames)
}

// MarshalText returns String.
func (k CheckKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText is ParseCheckKind.
func (k *CheckKind) UnmarshalText(text []byte) (err error) {
	*k, err = ParseCheckKind(string(text))
	return err
}

// A Check is how each server is asked whether it serves. The zero Check asks nobody.
// A program (as of exec:) and whatever has to be opened to be seen cannot be checked.
type Check struct {
	Kind CheckKind

	// Options are of the tls layer that CheckTLS adds, as in an address: "verify=0" or
	// "sni=db.example,alpn=h2".
	Options string

	// Port, if not 0, is what to connect to in place of the member's own port.
	Port int

	// Send is written once the check is connected, and Expect is to be among the first
	// 64 KiB that come back. Both may be nothing. A server of datagrams needs Send, since to connect
	// asks it nothing; without Expect it is up unless it refuses (by ICMP) until Timeout.
	Send, Expect string

	// Interval is the pause between two checks, and Timeout bounds each; 0 means
	// DefaultInterval and DefaultTimeout. Pauses vary by a tenth.
	Interval, Timeout time.Duration

	// Rise and Fall are how many checks in a row must succeed, or fail; 0 means DefaultRise
	// and DefaultFall.
	Rise, Fall int
}

// Passive is what is learned from the pairs themselves: a server that could not be
// reached, or that reset connections before it answered, is ejected for a while. When
// that is over, one more failure ejects it again.
type Passive struct {
	// Failures in a row eject a server; 0 means DefaultFailures, negative none do.
	Failures int

	// Ejection is for how long at first, and Longest for how long at most: each time that
	// comes within Longest of the last doubles it. 0 means DefaultEjection and
	// DefaultLongest.
	Ejection, Longest time.Duration

	// Share is the percentage of servers that may be ejected at once, though always one
	// where there are several; 0 means DefaultShare, negative no bound. The
	// last server that is up is never ejected.
	Share int

	// Early is for how long after a connection began its reset by the server counts as a failure,
	// if nothing has come back; 0 means DefaultEarly, negative never.
	Early time.Duration
}

// filled returns the config with its defaults in place of what it does not say, or all
// that is wrong with it.
func (c Config) filled() (Config, error) {
	orDefault(&c.Tries, DefaultTries)
	orDefault(&c.Resolve, DefaultResolve)
	orDefault(&c.Check.Interval, DefaultInterval)
	orDefault(&c.Check.Timeout, DefaultTimeout)
	orDefault(&c.Check.Rise, DefaultRise)
	orDefault(&c.Check.Fall, DefaultFall)
	orDefault(&c.Passive.Failures, DefaultFailures)
	orDefault(&c.Passive.Ejection, DefaultEjection)
	orDefault(&c.Passive.Longest, DefaultLongest)
	orDefault(&c.Passive.Share, DefaultShare)
	orDefault(&c.Passive.Early, DefaultEarly)
	c.Members = slices.Clone(c.Members)
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Members) == 0 {
		wrong("no upstream was given: at least one member is needed")
	}
	if int(c.Policy) >= len(policyNames) {
		wrong("%v is unknown", c.Policy)
	}
	if k := c.Check; int(k.Kind) >= len(checkNames) {
		wrong("%v is unknown", k.Kind)
	} else if k.Interval < 0 || k.Timeout < 0 || k.Rise < 0 || k.Fall < 0 {
		wrong("a check has a negative interval, timeout, rise or fall: each must be above 0, or 0 for the default")
	} else if k.Port < 0 || k.Port > 65535 {
		wrong("a check has the port %d: ports are 1 to 65535", k.Port)
	}
	if p := c.Passive; p.Ejection < 0 || p.Longest < 0 || p.Share > 100 {
		wrong("an ejection of %s to %s, of %d%% of the servers, is impossible: times must not be negative, and the share must be 1 to 100", units.Set(p.Ejection), units.Set(p.Longest), p.Share)
	}
	seen := map[string]bool{}
	for i := range c.Members {
		m := &c.Members[i]
		orDefault(&m.Weight, 1)
		if m.Address.Scheme == nil {
			wrong("upstream %d has no address", i+1)
			continue
		}
		text := m.Address.String()
		switch {
		case m.Address.Passive(false):
			wrong("upstream %s listens: one that is dialled is needed", text)
		case m.Weight < 0 || m.Weight > MaxWeight:
			wrong("upstream %s weighs %d: weights are 1 to %d", text, m.Weight, MaxWeight)
		case seen[text]:
			wrong("upstream %s is given twice: omit one, or give it a weight", text)
		}
		seen[text] = true
		// This prepares the layers too: by the member's own host, for all of its servers.
		if err := zocalo.CheckAddress(m.Address, false); err != nil {
			errs = append(errs, err)
		} else if m.check, err = c.Check.address(m.Address); err != nil {
			errs = append(errs, err)
		}
	}
	return c, together(errs)
}

// together is errors as one, on one line, each text once; nil for none.
func together(errs []error) error {
	var all several
	for _, err := range errs {
		if !slices.ContainsFunc(all, func(other error) bool { return other.Error() == err.Error() }) {
			all = append(all, err)
		}
	}
	if all == nil {
		return nil
	}
	return all
}

type several []error

func (s several) Error() string {
	texts := make([]string, len(s))
	for i, err := range s {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (s several) Unwrap() []error { return s }

// Checked are the addresses that checks connect to, as names: none without checks.
func (c Config) Checked() (all []address.Address) {
	for _, m := range c.Members {
		if a, err := c.Check.address(m.Address); err == nil && c.Check.Kind != NoCheck {
			all = append(all, a)
		}
	}
	return all
}

func orDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// isDatagram reports whether connecting to the address asks nobody.
func isDatagram(a address.Address) bool { return a.Scheme.Type == socket.Datagram }
