package iperf3

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"zocalo/address"
	"zocalo/codec"
)

// Scheme is the word before the colon in addresses of this protocol.
const Scheme = "iperf3"

// IsAddress reports whether text is for [ParseClient] and [ParseServer].
func IsAddress(text string) bool {
	scheme, _, ok := strings.Cut(text, ":")
	return ok && strings.EqualFold(scheme, Scheme)
}

// ParseClient reads what the command takes for a server to measure against:
// iperf3:HOST[:PORT], with options after commas. Those that mean something to the
// protocol are set in the client and its test; the others are options of a tcp address,
// as bind=.
//
//	udp              datagrams
//	rate=BITS        of each flow, as 10M; 0 is as fast as it goes
//	fq-rate=BITS     that the kernel keeps each flow to, at both ends
//	burst=N          blocks at once
//	bytes=SIZE       ends the test
//	window=SIZE      buffers of each socket
//	mss=N            TCP_MAXSEG
//	congestion=NAME  TCP_CONGESTION at both ends
//	nodelay          TCP_NODELAY at both ends
//	tos=N            the byte of DSCP and ECN
//	counters64       datagrams with numbers of eight bytes
//	unfragmented     datagrams that must not be cut
//	sendfile         the server may send without copying
//	output           ask the server for what it prints
//	flow-port=N      the first flow's own port; the others have those after it
//	user=NAME        for a server that wants one, with password-file=FILE
//	public-key=FILE  and the server's key
//	pkcs1            encrypted as before iperf3 3.17
//
// Datagrams without a rate have iperf3's own, [DefaultDatagramRate].
func ParseClient(text string) (*Client, error) {
	c, rated, password, key, pkcs1, user := &Client{}, false, "", "", false, ""
	host, rest, err := parse(text, func(name, value string) (own bool, err error) {
		switch name {
		case "rate":
			rated = true
		case "flow-port":
			c.FlowPort, err = port(value)
			return true, err
		case "user":
			user = value
			return true, given(value, "a name")
		case "password-file":
			password = value
			return true, given(value, "a file")
		case "public-key":
			key = value
			return true, given(value, "a file")
		case "pkcs1":
			pkcs1, err = parseFlag(value)
			return true, err
		case "users", "key", "skew", "max-time", "max-rate", "once":
			return true, errors.New("it is the server's")
		}
		return c.Test.set(name, value)
	})
	if err != nil {
		return nil, err
	}
	if host == "" {
		return nil, fmt.Errorf("%s: no host was given: write %s:HOST[:PORT]", text, Scheme)
	}
	if c.Test.UDP && !rated {
		c.Test.Rate = DefaultDatagramRate
	}
	if c.Address, err = address.Parse(rest); err != nil {
		return nil, err
	}
	if user+password+key == "" && !pkcs1 {
		return c, nil
	}
	if user == "" || password == "" || key == "" {
		return nil, fmt.Errorf("%s: a server that wants a user takes user=, password-file= and public-key= together", text)
	}
	c.Login = &Login{User: user, PKCS1: pkcs1}
	secret, err := readBounded(password, mostUsers)
	if err == nil {
		c.Login.Password = strings.TrimRight(string(secret), "\r\n")
		c.Login.Key, err = ReadPublicKey(key)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	return c, nil
}

// ParseServer reads what the command takes to serve on: iperf3:[HOST][:PORT], which is an
// address of tcp with options of its own, set in the server.
//
//	once           ends after one test
//	max-time=TIME  the longest test
//	max-rate=BITS  of each direction of a test
//	users=FILE     who is served, as iperf3's --authorized-users-path
//	key=FILE       the private key for that
//	skew=TIME      how far a client's clock may be off
//	pkcs1          users of clients before iperf3 3.17
//
// The options of a test are the client's.
func ParseServer(text string) (address.Address, *Server, error) {
	s, users, key, wants := &Server{}, &Users{}, "", false
	_, rest, err := parse(text, func(name, value string) (own bool, err error) {
		switch name {
		case "once":
			s.Once, err = parseFlag(value)
			return true, err
		case "max-time":
			s.MaxTime, err = codec.ParseDuration(value)
			return true, err
		case "max-rate":
			s.MaxRate, err = ParseRate(value)
			return true, err
		case "users":
			users.File, wants = value, true
			return true, given(value, "a file")
		case "key":
			key, wants = value, true
			return true, given(value, "a file")
		case "skew":
			users.Skew, err = codec.ParseDuration(value)
			wants = true
			return true, err
		case "pkcs1":
			users.PKCS1, err = parseFlag(value)
			wants = true
			return true, err
		case "flow-port", "user", "password-file", "public-key":
			return true, errClients
		}
		if own, err = new(Test).set(name, value); own {
			err = errClients
		}
		return own, err
	})
	if err != nil {
		return address.Address{}, nil, err
	}
	if wants {
		if users.File == "" || key == "" {
			return address.Address{}, nil, fmt.Errorf("%s: serving only some users takes users= and key= together", text)
		}
		if users.Key, err = ReadPrivateKey(key); err == nil {
			_, err = users.hash("")
		}
		if err != nil {
			return address.Address{}, nil, fmt.Errorf("%s: %w", text, err)
		}
		s.Users = users
	}
	a, err := address.Parse(rest)
	return a, s, err
}

var errClients = errors.New("it is the client's: the server does what each client asks for")

func given(value, what string) error {
	if value == "" {
		return fmt.Errorf("it needs %s", what)
	}
	return nil
}

func port(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a port: it must be 1 to 65535", text)
	}
	return int(n), nil
}

// parse takes the options off that set says are its own, and returns the address of tcp
// that the rest is, with its host.
func parse(text string, set func(name, value string) (own bool, err error)) (host, carrier string, err error) {
	scheme, rest, ok := strings.Cut(text, ":")
	if !ok || !strings.EqualFold(scheme, Scheme) {
		return "", "", fmt.Errorf("%q is not an iperf3 address: write %s:HOST[:PORT]", text, Scheme)
	}
	words := address.Split(strings.TrimPrefix(rest, "//"))
	host, port := splitHostPort(words[0])
	carrier = "tcp:" + address.Escape(port)
	if host != "" {
		carrier = "tcp:" + address.Escape(host+":"+port)
	}
	for _, word := range words[1:] {
		if word == "" {
			continue
		}
		name, value, _ := strings.Cut(word, "=")
		own, err := set(strings.ToLower(name), value)
		switch {
		case err != nil:
			return "", "", fmt.Errorf("%s: option %s: %w", text, name, err)
		case !own:
			carrier += "," + address.Escape(word)
		}
	}
	return host, carrier, nil
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
		t.Rate, err = ParseRate(value)
	case "fq-rate":
		t.PacingRate, err = ParseRate(value)
	case "burst":
		t.Burst, err = atLeast1(strconv.Atoi(value))
	case "mss":
		t.Segment, err = atLeast1(strconv.Atoi(value))
	case "tos":
		t.TOS, err = atLeast1(strconv.Atoi(value))
	case "congestion":
		t.Congestion = value
		if value == "" {
			err = fmt.Errorf("it needs a name, such as cubic")
		}
	case "bytes", "octets": // octets: the name until 2026-12
		t.Bytes, err = codec.ParseSize(value)
	case "window":
		var n int64
		n, err = codec.ParseSize(value)
		t.Window = int(min(n, maxWindow+1))
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

// ParseRate reads bits a second, with a decimal unit as iperf3's -b has it.
func ParseRate(text string) (int64, error) {
	number, unit := text, 1.0
	if n := len(text); n > 0 {
		if i := strings.IndexByte("KMGT", text[n-1]&^0x20); i >= 0 {
			number, unit = text[:n-1], math.Pow(1000, float64(i+1))
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || !(f >= 0) || f*unit >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is not a rate: write bits per second, such as 10M", text)
	}
	return int64(f * unit), nil
}

// SetWarmUp makes a warm-up the time that is omitted, which the protocol counts
// in whole seconds.
func (t *Test) SetWarmUp(d time.Duration) {
	t.Omit = (d + time.Second - 1) / time.Second * time.Second
}
