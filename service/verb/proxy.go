package verb

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"zocalo/address"
	"zocalo/socket/option"
)

// ProxyFromEnv is the option of whoever connects through the proxy of the environment.
type ProxyFromEnv struct{ on bool }

// Declare declares the option.
func (p *ProxyFromEnv) Declare(o *Options) {
	o.Flag(&p.on, "proxy-from-env", "connect by TCP through the proxy in ALL_PROXY, except to the hosts in NO_PROXY")
}

// proxyLayers are what ALL_PROXY's schemes mean, as curl has it.
var proxyLayers = map[string]string{
	"socks4": "socks4+tcp", "socks4a": "socks4a+tcp", "socks5": "socks5+tcp", "socks5h": "socks5+tcp",
	"http": "connect+tcp", "https": "connect+tls+tcp",
}

// defaultProxyPort is that of a proxy that names none, as curl has it.
const defaultProxyPort = "1080"

// Through returns the address to connect to in place of a.
func (p *ProxyFromEnv) Through(a address.Address) (address.Address, error) {
	if !p.on || a.Passive(false) {
		return a, nil
	}
	layers, isTCP := strings.CutSuffix("+"+a.Scheme.Name, "+tcp")
	if !isTCP {
		return a, usagef("--proxy-from-env is for TCP, which %v does not use", a)
	}
	host := a.Endpoint[:max(0, strings.LastIndexByte(a.Endpoint, ':'))]
	if direct(host, variable("no_proxy")) {
		return a, nil
	}
	text := variable("all_proxy")
	if text == "" {
		return a, usagef("--proxy-from-env: ALL_PROXY is not set: write ALL_PROXY=socks5h://HOST:PORT before the command, or http://HOST:PORT")
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return a, usagef("ALL_PROXY is not SCHEME://HOST:PORT") // it may have a password in it
	}
	stack, known := proxyLayers[strings.ToLower(u.Scheme)]
	if !known {
		return a, usagef("ALL_PROXY names a proxy of scheme %q: it must be socks4, socks4a, socks5, socks5h, http or https", u.Scheme)
	}
	at := u.Host
	if u.Port() == "" {
		at += ":" + defaultProxyPort
	}
	layer, _, _ := strings.Cut(stack, "+")
	text = strings.TrimPrefix(layers+"+"+stack, "+") + ":" + address.Escape(at) + fmt.Sprintf(",%s.to=%s", layer, address.Escape(a.Endpoint))
	via, err := address.Parse(text)
	if err != nil {
		return a, err
	}
	set := func(name string, value any) {
		spec, err := address.Lookup(via.Scheme, layer+"."+name)
		if err == nil {
			// Defaults are printed nowhere.
			via.Settings = append(via.Settings, option.Setting{Spec: spec, Value: value, Default: true})
		}
	}
	if user := u.User.Username(); user != "" {
		password, _ := u.User.Password()
		set("user", user)
		set("password", password)
	}
	if u.Scheme == "socks5" {
		set("resolve", true)
	}
	via.Settings = append(via.Settings, a.Settings...)
	return via, nil
}

// variable returns a variable, in lower case first, as curl does.
func variable(name string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return os.Getenv(strings.ToUpper(name))
}

// direct reports whether a host is in a list like NO_PROXY: itself, a domain that it
// is in, or "*".
func direct(host, list string) bool {
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	for _, name := range strings.FieldsFunc(strings.ToLower(list), func(r rune) bool { return r == ',' || r == ' ' }) {
		name = strings.TrimPrefix(name, ".")
		if name == "*" || host == name || strings.HasSuffix(host, "."+name) {
			return true
		}
	}
	return false
}
