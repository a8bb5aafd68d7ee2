package address_test

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"zocalo/address"
	"zocalo/frame"
	"zocalo/socket/scheme"
)

// side is how a test writes Listen and Connect.
func side(a address.Address) string {
	return map[[2]bool]string{{}: "", {true, false}: "listen", {false, true}: "connect"}[[2]bool{a.Listen, a.Connect}]
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text, scheme, side, endpoint string
		options                      string // as String prints them
	}{
		{"toy:host:1", "toy", "", "host:1", ""},
		{"TOY:Host:1", "toy", "", "Host:1", ""},
		{"plaything:host:1", "toy", "", "host:1", ""},
		{"toy://host:1", "toy", "", "host:1", ""},
		{"toy-msg:///a/b", "toy-msg", "", "/a/b", ""},
		{"toy-msg:////a", "toy-msg", "", "//a", ""},
		{"toy-msg:/a", "toy-msg", "", "/a", ""},
		{"toy:", "toy", "", "", ""},
		{"toy:[::1]:80", "toy", "", "[::1]:80", ""},
		{"toy-listen:1", "toy", "listen", "1", ""},
		{"TOY-LISTEN:1,fork", "toy", "listen", "1", "fork"},
		{"Toy-L:1", "toy", "listen", "1", ""},
		{"plaything-connect:h:1", "toy", "connect", "h:1", ""},
		{"toy-msg-listen:@x", "toy-msg", "listen", "@x", ""},
		{"toybox", "toybox", "", "", ""},
		{"toybox:", "toybox", "", "", ""},
		{"toybox://", "toybox", "", "", ""},
		{"toybox,label=a:b", "toybox", "", "", "label=a:b"},
		{"toybox-connect", "toybox", "connect", "", ""},
		{"toyshop-listen:high", "toyshop", "listen", "high", ""},

		{"toy:h:1,level=2,quiet", "toy", "", "h:1", "level=2,quiet"},
		{"toy:h:1,quiet=0", "toy", "", "h:1", "quiet=0"},
		{"toy:h:1,quiet=ON", "toy", "", "h:1", "quiet"},
		{"toy:h:1,Toy-Level=0x10", "toy", "", "h:1", "level=16"},
		{"toy:h:1,sndtoy=65536,wait=90", "toy", "", "h:1", "sndtoy=64KiB,wait=1m30s"},
		{"toy:h:1,level=2,toy-level=2,level=0x2", "toy", "", "h:1", "level=2"},
		{"toy:h:1,label==x=", "toy", "", "h:1", "label==x="},
		{"toy:h:1,label=", "toy", "", "h:1", "label="},
		{"toy:h:1,bind=[::1]:7,connect-timeout=2,frame=fixed:9", "toy", "", "h:1", "bind=[::1]:7,connect-timeout=2s,frame=fixed:9"},
		{"toy-listen:1,backlog=0,once", "toy", "listen", "1", "backlog=0,once"},
		{"toy:1,fork,once=0", "toy", "", "1", "fork,once=0"},

		{"toy-msg:a,,b", "toy-msg", "", "a,b", ""},
		{"toy-msg:a,,,label=b", "toy-msg", "", "a,", "label=b"},
		{"toy-msg:a,,,,label=b", "toy-msg", "", "a,,label=b", ""},
		{"toy-msg:,,", "toy-msg", "", ",", ""},
		{"toy-msg:,label=,,", "toy-msg", "", "", "label=,,"},
		{"toy-msg:x,label=,,,,,frame=lines", "toy-msg", "", "x", "label=,,,,,frame=lines"},
		{"toy-msg:\n\x00'\"\\ ", "toy-msg", "", "\n\x00'\"\\ ", ""},
	} {
		t.Run(c.text, func(t *testing.T) {
			a, err := address.Parse(c.text)
			if err != nil {
				t.Fatal(err)
			}
			if a.Scheme.Name != c.scheme || side(a) != c.side || a.Endpoint != c.endpoint {
				t.Errorf("Parse(%q) is scheme %s, side %q, endpoint %q; want %s, %q, %q", c.text, a.Scheme.Name, side(a), a.Endpoint, c.scheme, c.side, c.endpoint)
			}
			want := address.Address{Scheme: a.Scheme, Listen: a.Listen, Connect: a.Connect, Endpoint: a.Endpoint}.String()
			if c.options != "" {
				want += "," + c.options
			}
			if a.String() != want {
				t.Errorf("Parse(%q) prints %q; want %q", c.text, a, want)
			}
			roundTrip(t, a)
		})
	}
}

func roundTrip(t *testing.T, a address.Address) {
	t.Helper()
	text := a.String()
	b, err := address.Parse(text)
	if err != nil {
		t.Fatalf("%#v prints %q, which does not parse: %v", a, text, err)
	}
	if !reflect.DeepEqual(a, b) || a.Scheme != b.Scheme {
		t.Fatalf("%q parses to another address: %#v, not %#v", text, b, a)
	}
	if again := b.String(); again != text {
		t.Fatalf("%q prints %q", text, again)
	}
}

func TestParseRefuses(t *testing.T) {
	const (
		syntax  = "*address.SyntaxError"
		scheme  = "*address.UnknownSchemeError"
		unknown = "*address.UnknownOptionError"
		option  = "*address.OptionError"
		side    = "*address.SideError"
		absent  = "*socket.UnsupportedError"
	)
	for _, c := range []struct{ text, kind, says string }{
		{"", syntax, "write SCHEME:ENDPOINT"},
		{"toy", syntax, "it has no endpoint: write toy:host:port"},
		{"toy-listen", syntax, "it has no endpoint: write toy-listen:host:port"},
		{"toybox:x", syntax, "toybox takes no endpoint: write toybox alone"},
		{"toy:1,=", syntax, `address "toy:1,=": an option name is missing`},
		{"toy:1,,quiet,=", syntax, "a comma itself is written ,,"},
		{"toy:1,=x", syntax, "an option name is missing"},
		{"/run/x.sock", syntax, "did you mean unix:/run/x.sock?"},
		{"8080", syntax, "did you mean tcp:8080?"},

		{"localhost:8080", scheme, "did you mean tcp:localhost:8080?"},
		{"[::1]:80", scheme, "did you mean tcp:[::1]:80?"},
		{"./a:b", scheme, "did you mean unix:./a:b?"},
		{"tyo:1", scheme, `unknown scheme "tyo": did you mean toy?`},
		{"tooy-listen:1", scheme, "did you mean toy-listen?"},
		{"Toyy-L:1", scheme, "did you mean toy-listen?"},
		{"toynte:1", scheme, "did you mean toynet?"},
		{"toy-listen-listen:1", scheme, "unknown scheme"},
		{"PROXY:proxy:www:80,proxyport=3128", scheme, "by HTTP's CONNECT, or pp+tcp:HOST:PORT, with the PROXY protocol"},
		{"IP4-SENDTO:127.0.0.1:89", scheme, `"IP4-SENDTO" is not a scheme here: packets of an IP protocol are raw:HOST,protocol=PROTOCOL`},
		{"http://host/", scheme, "write tcp:HOST:80"},
		{"sctp-association:x", scheme, "there is no SCTP here"},
		{"toy,,x:1", scheme, `unknown scheme "toy,x"`},
		{":80", scheme, "did you mean tcp::80?"},
		{strings.Repeat("a", 300) + ":", scheme, "'zocalo explain' lists them all"},

		{"spp:1", absent, "scheme spp is not supported here: it needs the package zocalo/xns, imported"},
		{"ISO-Listen:x", absent, "scheme iso is not supported here: it needs the package zocalo/iso"},
		{"exec:true", absent, "zocalo/process"},

		{"toy:1,qiuet", unknown, `unknown option "qiuet" of toy: did you mean quiet?`},
		{"toy:1,crlf", option, "it is a flag here: --crlf"},
		{"toy-connect:1,max-children=5", option, "it is for the listening side"},
		{"toy:1,range=here", option, "it must be an address, a prefix"},
		{"toy:1,zzzzzz", unknown, `unknown option "zzzzzz": 'zocalo explain toy:' lists those of toy`},
		{"toy:1!!toy:2", syntax, "it is two addresses: write 'zocalo relay toy:1 TO' and 'zocalo relay FROM toy:2'"},
		{"toy:1,a,,b=c", unknown, `unknown option "a,b"`},
		{"toy-msg:x,level=2", unknown, "toy-msg takes no option level, which is for toy"},

		{"toy-msg:x,backlog=2", option, "option backlog of toy-msg: it has no queue of connections"},
		{"toybox,bind=x", option, "option bind of toybox"},
		{"toybox,fork", option, "option fork of toybox: it does not listen"},
		{"toybox,connect-timeout=1", option, "it connects to nothing"},
		{"toyshop:x,connect-timeout=1", option, "it connects to nothing"},
		{"toy:1,level", option, "it needs a value: write level=NUMBER"},
		{"toy:1,level=x", option, `"x" is not a whole number`},
		{"toy:1,level=0", option, "at least 1"},
		{"toy:1,level=", option, "not a whole number"},
		{"toy:1,quiet=maybe", option, `"maybe" is neither on`},
		{"toy:1,quiet=", option, "neither on"},
		{"toy:1,level=1,toy-level=2", option, `it is given twice, as "1" and "2": omit one`},
		{"toy:1,quiet,quiet=0", option, "given twice"},
		{"toy:1,fork,once", option, "option once of toy: it is the opposite of fork"},
		{"toy:1,once=0,fork=0", option, "it is the opposite of fork"},
		{"toy:1,bind=", option, "must not be"},
		{"toy:1,frame=", option, "there are lines"},
		{"toy:1,frame=line", option, "did you mean lines"},
		{"toy:1,backlog=-1", option, "at least 0"},
		{"toy:1,connect-timeout=-1s", option, "must not be negative"},

		{"toy-connect:1,fork", option, "it is for the listening side: omit it, or write toy-listen:"},
		{"toy-connect:1,toymode=1", option, "it is for the listening side"},
		{"toybox,toymode=1", option, "it is for the listening side, which toybox does not have"},
		{"toy-listen:1,wait=1", option, "it is for the connecting side"},
		{"toy-listen:1,connect-timeout=1", option, "it is for the connecting side"},
		{"toyshop:x,wait=1", option, "it is for the connecting side"},
		{"toyshop-connect:x", side, "toyshop cannot connect here: it can only listen"},
		{"toybox-listen", side, "toybox cannot listen here: it can only connect"},
		{"toy-listen:h:1,bind=g", option, `already names a host`},
		{"toy-listen:1,bind=h:1", option, "write bind=HOST alone"},
		{"toy-listen:1,bind=[::1]:1", option, "write bind=HOST alone"},
		{"toy-msg-listen:/x,bind=/y", option, "a listener is bound to its endpoint"},
	} {
		t.Run(c.text, func(t *testing.T) {
			a, err := address.Parse(c.text)
			if err == nil {
				t.Fatalf("Parse(%q) = %v; want an error", c.text, a)
			}
			if kind := reflect.TypeOf(err).String(); kind != c.kind || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Parse(%q) is %s: %v\nwant %s: %s", c.text, kind, err, c.kind, c.says)
			}
			if !reflect.DeepEqual(a, address.Address{}) {
				t.Errorf("Parse(%q) returned %v beside its error", c.text, a)
			}
		})
	}
}

func TestUnsupportedScheme(t *testing.T) {
	if _, err := address.Parse("idp:1"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a scheme that is not imported is %v; want errors.ErrUnsupported", err)
	}
}

func TestTarget(t *testing.T) {
	for _, c := range []struct {
		text     string
		passive  bool
		endpoint string // of the target
		says     string // or the error
	}{
		{"toy:h:1", false, "h:1", ""},
		{"toy:h:1", true, "h:1", ""},
		{"toy-listen:1", true, "1", ""},
		{"toy-connect:1", false, "1", ""},
		{"toy:h:1,bind=g:2", false, "h:1", ""},
		{"toy:1,bind=g", true, "g:1", ""},
		{"toy::1,bind=::1", true, "::1:1", ""},
		{"toy:http,bind=[::1]", true, "[::1]:http", ""},
		{"toyshop:x", true, "x", ""},
		{"toybox", false, "", ""},

		{"toy-listen:1", false, "", "toy cannot connect here: the address says toy-listen, and here toy alone is wanted"},
		{"toy-connect:1", true, "", "toy cannot listen here: the address says toy-connect, and here toy alone is wanted"},
		{"toy:1,fork", false, "", "option fork of toy: it is for the listening side: omit it, or write toy-listen:"},
		{"toy:1,wait=1", true, "", "option wait of toy: it is for the connecting side"},
		{"toyshop:x", false, "", "it can only listen"},
		{"toybox", true, "", "it can only connect"},
	} {
		t.Run(c.text, func(t *testing.T) {
			a, err := address.Parse(c.text)
			if err != nil {
				t.Fatal(err)
			}
			target, err := a.Target(c.passive)
			switch {
			case c.says != "":
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("Target(%v) of %s fails with %v; want %s", c.passive, c.text, err, c.says)
				}
			case err != nil:
				t.Error(err)
			case target.Endpoint != c.endpoint || target.Passive != c.passive || len(target.Settings) != len(a.Settings):
				t.Errorf("Target(%v) of %s is %+v; want endpoint %q", c.passive, c.text, target, c.endpoint)
			}
		})
	}
	if _, err := (address.Address{}).Target(true); err == nil {
		t.Error("the zero Address has a Target")
	}
}

func TestPassive(t *testing.T) {
	for text, want := range map[string][2]bool{ // under an active verb, and a passive one
		"toy:1": {false, true}, "toy-listen:1": {true, true}, "toy-connect:1": {false, false},
		"toybox": {false, false}, "toyshop:x": {true, true},
	} {
		a, err := address.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{a.Passive(false), a.Passive(true)}; got != want {
			t.Errorf("%s is passive under an active verb and a passive one: %v; want %v", text, got, want)
		}
	}
}

func TestGeneralOptions(t *testing.T) {
	a, err := address.Parse("toy:1,bind=h,frame=lines,connect-timeout=1500ms")
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := address.Bind.In(a.Settings); v != "h" || !ok {
		t.Errorf("bind is %q, %v", v, ok)
	}
	if v, ok := address.Frame.In(a.Settings); v.Kind != frame.Lines || !ok {
		t.Errorf("frame is %v, %v", v, ok)
	}
	if v, ok := address.ConnectTimeout.In(a.Settings); v != 1500*time.Millisecond || !ok {
		t.Errorf("connect-timeout is %v, %v", v, ok)
	}
	for text, want := range map[string][2]bool{
		"toy:1": {false, false}, "toy:1,once": {true, true}, "toy:1,once=0": {false, true},
		"toy:1,fork": {false, true}, "toy:1,fork=0": {true, true}, "toy:1,fork=0,once": {true, true},
	} {
		a, err := address.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if once, given := a.IsOnce(); once != want[0] || given != want[1] {
			t.Errorf("IsOnce of %s is %v, %v; want %v", text, once, given, want)
		}
	}
}

// The words that String adds to a user's text have nothing in them that a
// shell touches, whatever the scheme; FuzzParse sees to the rest.
func TestShellSafe(t *testing.T) {
	word := regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	for _, s := range scheme.All() {
		for _, w := range append([]string{s.Name}, s.Aliases...) {
			if !word.MatchString(w) && w != "-" {
				t.Errorf("scheme %q is not a word of lower-case letters, digits and hyphens", w)
			}
		}
		for _, o := range address.Options(s) {
			for _, w := range append([]string{o.Name}, o.Aliases...) {
				if !word.MatchString(w) {
					t.Errorf("option %q of %s is not a word of lower-case letters, digits and hyphens", w, s.Name)
				}
			}
		}
	}
}

// safe reports whether a character may be what String adds: no shell makes
// anything of it.
func safe(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(",:=/-.", r)
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"toy:h:1,level=2,quiet", "toy-listen:1,backlog=5,fork", "toy-msg:a,,,label=,,b", "-", "toybox,label=x", "toy://h:1,sndtoy=1MB",
		"tcp:127.0.0.1:5346,nodelay", "TCP-LISTEN:8080,fork,reuseaddr", "unix-listen:/x,mode=0660", "udp:[::1]:53,rcvbuf=64KiB", "raw:h,protocol=1",
		"toynet:1#2#3", "toy:1,wait=1500ns", "toy:1,connect-timeout=9223372036s", ",", ":", "-l:", ",,,", "toyshop:x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := address.Parse(text)
		if err != nil {
			if m := err.Error(); m == "" || strings.ContainsAny(m, "\n\x00\x1b") {
				t.Fatalf("Parse(%q) fails with %q, which is not one line", text, m)
			}
			return
		}
		roundTrip(t, a)
		for _, r := range a.String() {
			if !safe(r) && !strings.ContainsRune(text, r) {
				t.Fatalf("%q prints %q, with a new %q", text, a, r)
			}
		}
		for _, passive := range []bool{true, false} {
			if _, err := a.Target(passive); err != nil && a.Passive(passive) == passive && err.Error() == "" {
				t.Fatalf("Target(%v) of %q: an empty error", passive, text)
			}
		}
		if e := address.Explain(a); e.Address != a.String() || len(e.Options) < len(a.Settings) {
			t.Fatalf("Explain(%q) = %+v", text, e)
		}
	})
}
