package proxy

import (
	"net/netip"
	"testing"

	"zocalo/socket"
)

func TestRules(t *testing.T) {
	for _, c := range []struct {
		rule, host, addr string
		has              bool
	}{
		{"10.0.0.0/8", "x", "10.1.2.3:1", true}, {"10.0.0.0/8", "x", "11.1.2.3:1", false}, {"10.0.0.0/8:80", "x", "10.1.2.3:1", false},
		{"10.0.0.1", "10.0.0.1", "10.0.0.1:1", true}, {"10.0.0.0/8", "x", "[::ffff:10.1.2.3]:1", true}, {"[::ffff:10.0.0.0/104]", "x", "10.1.2.3:1", true},
		{"fd00::/8", "x", "[fd12::1]:1", true}, {"[fd00::/8]:1-2", "x", "[fd12::1]:2", true}, {"[fd00::/8]:1-2", "x", "[fd12::1]:3", false},
		{"[::1]", "x", "[::1]:3", true}, {"::1", "x", "[::1]:3", true}, {"fe80::/10", "x", "[fe80::1%1]:1", true},
		{"db", "DB.", "10.1.2.3:1", true}, {"db", "dbs", "10.1.2.3:1", false}, {"DB.:5432", "db", "10.1.2.3:5432", true},
		{"*.lab", "a.b.lab", "10.1.2.3:1", true}, {"*.lab", "lab", "10.1.2.3:1", false}, {"*.lab", "lablab", "10.1.2.3:1", false}, {"*.lab", ".lab", "10.1.2.3:1", false},
		{"*", "x", "10.1.2.3:1", true}, {":443", "x", "10.1.2.3:443", true}, {"*:443", "x", "10.1.2.3:444", false},
	} {
		r, err := ParseRule(c.rule)
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		err = Rules{Deny: []Rule{r}}.Permit(c.host, socket.InetName(netip.MustParseAddrPort(c.addr)))
		if denied, ok := err.(*NotPermittedError); ok && denied.Why[:4] == "deny" != c.has || !ok && c.has {
			t.Errorf("%s of %s at %s: %v", c.rule, c.host, c.addr, err)
		}
	}
	for _, bad := range []string{"", "10.0.0.1/8", "a b", "a:b", "a:0x1", "a:2-1", "a:70000", "[::1", "*.", "*.*.a", "10.0.0.0/33", "fe80::1%eth0", "[::1]1", "a/b"} {
		if r, err := ParseRule(bad); err == nil {
			t.Errorf("%q is %+v", bad, r)
		}
	}
}

func TestSpecial(t *testing.T) {
	for addr, named := range map[string]string{
		"169.254.169.254": "169.254.0.0/16", "fe80::1": "fe80::/10", "224.0.0.1": "224.0.0.0/4", "ff02::1": "ff00::/8", "255.255.255.255": "255.255.255.255",
		"0.0.0.0": "0.0.0.0", "::": "::", "::ffff:169.254.1.1": "169.254.1.1",
	} {
		n := socket.InetName(netip.AddrPortFrom(netip.MustParseAddr(addr), 80))
		all := Rules{}
		for _, text := range []string{"*", "0.0.0.0/0", "::/0", addr[:1] + "*"} {
			if r, err := ParseRule(text); err == nil {
				all.Allow = append(all.Allow, r)
			}
		}
		if all.Permit(addr, n) == nil || (Rules{}).Permit(addr, n) == nil {
			t.Errorf("%s is permitted", addr)
		}
		r, err := ParseRule(named)
		if err != nil {
			t.Fatal(err)
		}
		if err := (Rules{Allow: []Rule{r}}).Permit(addr, n); err != nil {
			t.Errorf("allow-to=%s: %v", named, err)
		}
	}
}
