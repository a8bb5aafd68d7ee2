package scheme

import (
	"net"
	"strings"
	"testing"
	"unicode"
)

func TestSplitHostPort(t *testing.T) {
	for _, c := range []struct{ endpoint, host, port string }{
		{"5346", "", "5346"},
		{"0", "", "0"},
		{"http", "", "http"},
		{":5346", "", "5346"},
		{"host:5346", "host", "5346"},
		{"any:5346", "any", "5346"},
		{"www.example.org:http", "www.example.org", "http"},
		{"127.0.0.1:5346", "127.0.0.1", "5346"},
		{"::1:5346", "::1", "5346"},
		{":::5346", "::", "5346"},
		{"1::2:3", "1::2", "3"},
		{"1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8", "9"},
		{"::ffff:127.0.0.1:80", "::ffff:127.0.0.1", "80"},
		{"[::1]:5346", "::1", "5346"},
		{"[fe80::1%eth0]:5346", "fe80::1%eth0", "5346"},
		{"fe80::1%eth0:5346", "fe80::1%eth0", "5346"},
	} {
		t.Run(c.endpoint, func(t *testing.T) {
			host, port, err := splitHostPort(c.endpoint)
			if host != c.host || port != c.port || err != nil {
				t.Errorf("splitHostPort(%q) = %q, %q, %v; want %q, %q", c.endpoint, host, port, err, c.host, c.port)
			}
		})
	}
}

func TestSplitHostPortRefuses(t *testing.T) {
	for _, c := range []struct{ endpoint, says string }{
		{"", "no port: write host:port"},
		{":", "no port: write host:port"},
		{"host:", "no port: write host:port"},
		{"::1:", "no port: write host:port"},
		{"127.0.0.1", "no port: write host:port"},
		{"[::1]", "no port: write host:port"},
		{"[::1]:", "no port: write host:port"},
		{"::", "no port: write [address]:port"},
		{"::1", "no port: write [address]:port"},
		{"fe80::1", "no port: write [address]:port"},
		{"1:2:3:4:5:6:7:8", "no port: write [address]:port"},
		{"a:b:80", `host "a:b" is not an IPv6 address`},
		{"host:1:80", `more than one colon after "host": write HOST:PORT`},
		{"::1%:80", `host "::1%" is not an IPv6 address`},
		{"[localhost]:80", `host "localhost" is not an IPv6 address`},
		{"[127.0.0.1]:80", `host "127.0.0.1" is not an IPv6 address`},
		{"[]:80", `host "" is not an IPv6 address`},
		{"[::1", "no closing bracket"},
		{"[::1]80", `"80" after the bracket`},
		{"[::1]:80:90", `port "80:90" is neither`},
		{"::1]:80", "a bracket inside the host"},
		{"host:80]", `port "80]" is neither`},
	} {
		t.Run(c.endpoint, func(t *testing.T) {
			host, port, err := splitHostPort(c.endpoint)
			if err == nil {
				t.Fatalf("splitHostPort(%q) = %q, %q; want an error", c.endpoint, host, port)
			}
			if text := err.Error(); !strings.Contains(text, c.says) || !strings.Contains(text, `endpoint "`+c.endpoint+`"`) {
				t.Errorf("splitHostPort(%q) says %q; want the endpoint and %q", c.endpoint, text, c.says)
			}
		})
	}
}

// What is split joins again to something that splits alike, and agrees with
// package net wherever that takes the same text.
func FuzzSplitHostPort(f *testing.F) {
	for _, s := range []string{"5346", "host:5346", "::1:5346", "[::1]:5346", "[fe80::1%eth0]:5346", ":5346", "any:5346", "::1", "[a]b]:1", "\x00:\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, endpoint string) {
		host, port, err := splitHostPort(endpoint)
		if err != nil {
			if host != "" || port != "" || strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Fatalf("splitHostPort(%q) = %q, %q, %q", endpoint, host, port, err)
			}
			return
		}
		if port == "" || strings.Contains(host, ":") && !isIPv6(host) {
			t.Fatalf("splitHostPort(%q) = %q, %q", endpoint, host, port)
		}
		joined := net.JoinHostPort(host, port)
		if h, p, err := splitHostPort(joined); h != host || p != port || err != nil {
			t.Errorf("%q became %q, %q, joined %q, which became %q, %q, %v", endpoint, host, port, joined, h, p, err)
		}
		if h, p, err := net.SplitHostPort(endpoint); err == nil && (h != host || p != port) {
			t.Errorf("splitHostPort(%q) = %q, %q; package net says %q, %q", endpoint, host, port, h, p)
		}
	})
}
