package iperf3

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"zocalo/address"
	"zocalo/address/codec"
)

// Scheme is the word before the colon in addresses of this protocol.
const Scheme = "iperf3"

// IsAddress reports whether text is for [ParseAddress].
func IsAddress(text string) bool {
	scheme, _, ok := strings.Cut(text, ":")
	return ok && strings.EqualFold(scheme, Scheme)
}

// ParseAddress reads what the command takes for a server: iperf3:HOST[:PORT],
// with options after commas. Those that mean something to the protocol are set
// in the test; the others are options of a tcp address, as bind=. What it
// returns is that address, for [Client] or, with passive, to listen on. There
// the host may be left out, as in an address of tcp, and the options of a test
// are the client's.
//
//	udp              datagrams
//	rate=BITS        of each flow, as 10M; 0 is as fast as it goes
//	fq-rate=BITS     that the kernel keeps each flow to, at both ends
//	burst=N          blocks at once
//	bytes=SIZE      ends the test
//	window=SIZE      buffers of each socket
//	mss=N            TCP_MAXSEG
//	congestion=NAME  TCP_CONGESTION at both ends
//	nodelay          TCP_NODELAY at both ends
//	tos=N            the byte of DSCP and ECN
//	counters64       datagrams with numbers of eight bytes
//	unfragmented     datagrams that must not be cut
//	sendfile         the server may send without copying
//	output           ask the server for what it prints
//
// Datagrams without a rate have iperf3's own, [DefaultDatagramRate].
func ParseAddress(text string, passive bool) (tcp address.Address, t Test, err error) {
	scheme, rest, ok := strings.Cut(text, ":")
	if !ok || !strings.EqualFold(scheme, Scheme) {
		return tcp, t, fmt.Errorf("%q is no address of iperf3: write %s:HOST[:PORT]", text, Scheme)
	}
	endpoint, options, _ := strings.Cut(strings.TrimPrefix(rest, "//"), ",")
	host, port := splitHostPort(endpoint)
	if host == "" && !passive {
		return tcp, t, fmt.Errorf("%s: no host was given: write %s:HOST[:PORT]", text, Scheme)
	}
	carrier := "tcp:" + port
	if host != "" {
		carrier = "tcp:" + host + ":" + port
	}
	rated := false
	for _, word := range strings.Split(options, ",") {
		if word == "" {
			continue
		}
		name, value, _ := strings.Cut(word, "=")
		own, err := t.set(strings.ToLower(name), value)
		switch {
		case err != nil:
			return tcp, t, fmt.Errorf("%s: option %s: %w", text, name, err)
		case own && passive:
			return tcp, t, fmt.Errorf("%s: option %s is the client's: the server does what each client asks for", text, name)
		case !own:
			carrier += "," + word
		}
		rated = rated || strings.EqualFold(name, "rate")
	}
	if t.UDP && !rated {
		t.Rate = DefaultDatagramRate
	}
	tcp, err = address.Parse(carrier)
	return tcp, t, err
}

// DefaultDatagramRate is what iperf3 sends datagrams at unless it is told, in
// bits a second.
const DefaultDatagramRate = 1 << 20

// splitHostPort parts an endpoint whose port may be missing.
func splitHostPort(endpoint string) (host, port string) {
	normal := strconv.Itoa(DefaultPort)
	if end := strings.LastIndexByte(endpoint, ']') + 1; end > 0 { // a zone may hold whatever comes before that
		return endpoint[:end], cmp.Or(strings.TrimPrefix(endpoint[end:], ":"), normal)
	}
	colon := strings.LastIndexByte(endpoint, ':')
	_, err := netip.ParseAddr(endpoint)
	switch {
	case err == nil, colon < 0:
		return endpoint, normal
	case colon == len(endpoint)-1:
		return endpoint[:colon], normal
	}
	return endpoint[:colon], endpoint[colon+1:]
}

// set sets what an option says; own is false for one that is not of the
// protocol.
func (t *Test) set(name, value string) (own bool, err error) {
	switch name {
	case "udp":
		t.UDP, err = parseFlag(value)
	case "nodelay":
		t.NoDelay, err = parseFlag(value)
	case "counters64":
		t.Counters64, err = parseFlag(value)
	case "unfragmented":
		t.DontCut, err = parseFlag(value)
	case "sendfile":
		t.ZeroCopy, err = parseFlag(value)
	case "output":
		t.WantsOutput, err = parseFlag(value)
	case "rate":
		t.Rate, err = parseRate(value)
	case "fq-rate":
		t.PacingRate, err = parseRate(value)
	case "burst":
		t.Burst, err = atLeast1(strconv.Atoi(value))
	case "mss":
		t.Segment, err = atLeast1(strconv.Atoi(value))
	case "tos":
		t.TOS, err = atLeast1(strconv.Atoi(value))
	case "congestion":
		t.Congestion = value
		if value == "" {
			err = fmt.Errorf("it needs a name, as cubic")
		}
	case "bytes", "octets": // octets: the name until 2026-12
		t.Bytes, err = codec.ParseSize(value)
	case "window":
		var n int64
		n, err = codec.ParseSize(value)
		t.Window = int(min(n, MaxWindow+1))
	default:
		return false, nil
	}
	return true, err
}

// parseFlag reads a flag's value, which may be left out.
func parseFlag(value string) (bool, error) {
	if value == "" {
		return true, nil
	}
	return codec.Flag.Parse(value)
}

func atLeast1(n int, err error) (int, error) {
	if err == nil && n < 1 {
		err = fmt.Errorf("%d: it must be at least 1", n)
	}
	return n, err
}

// parseRate reads bits a second, with a decimal unit as iperf3's -b has it.
func parseRate(text string) (int64, error) {
	number, unit := text, 1.0
	if n := len(text); n > 0 {
		if i := strings.IndexByte("KMGT", text[n-1]&^0x20); i >= 0 {
			number, unit = text[:n-1], math.Pow(1000, float64(i+1))
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || !(f >= 0) || f*unit >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is no rate: write bits a second, as 10M", text)
	}
	return int64(f * unit), nil
}

// SetWarmUp makes a warm-up the time that is omitted, which the protocol counts
// in whole seconds.
func (t *Test) SetWarmUp(d time.Duration) {
	t.Omit = (d + time.Second - 1) / time.Second * time.Second
}
