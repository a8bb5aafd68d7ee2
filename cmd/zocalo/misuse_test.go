package main

import (
	"regexp"
	"strings"
	"testing"
)

// Each misuse gets one line, of a reasonable length, without the words of Go or of
// the libraries beneath.
func TestMisuses(t *testing.T) {
	foreign := regexp.MustCompile(`arg\(s\)|shorthand|flag needs an argument|strconv|context deadline|missing unit|invalid argument|--help says`)
	for line, says := range map[string]string{
		"hub --listen tcp:0,accept-timeout=3": "accept-timeout is for verbs that wait for one peer",
		"talk a b c":                          `unexpected argument "c": write zocalo talk [ADDRESS | HOST PORT]`,
		"listen":                              "an argument is missing: write zocalo listen ADDRESS | PORT",
		"listen tcp:0 b c":                    "unexpected argument",
		"explain tcp:1 tcp:2":                 `unexpected argument "tcp:2": write zocalo explain [ADDRESS]`,
		"man talk relay":                      "unexpected argument",
		"hub x":                               `unexpected argument "x": write zocalo hub`,
		"talk -x":                             "unknown flag: -x: 'zocalo talk --help' lists the flags",
		"talk --nosuch tcp:1":                 "unknown flag: --nosuch: 'zocalo talk --help' lists the flags",
		"talk tcp:1 --idle":                   "--idle needs a value: write --idle DURATION",
		"talk --idle x tcp:1":                 `--idle x: "x" is not a duration such as 500ms, 5s or 1m`,
		"talk --idle -1 tcp:1":                "it must not be negative",
		"talk --=x tcp:1":                     "is not a flag: flags are --NAME or --NAME=VALUE",
		"talk --quoted=maybe tcp:1":           "--quoted maybe: it must be true or false",
		"relay --max-conns x 0 1":             "--max-conns x: ",
		"relay --max-conns-per-peer x 0 1":    "--max-conns-per-peer x: it must be a number",
		"relay --rate fast 0 1":               "--rate fast: ",
		"relay 0":                             "TO is missing",
		"relay tcp-listen:0 tcp:1!!tcp:2":     "it is two addresses: write 'zocalo relay tcp:1 TO'",
		"talk http://host/":                   "zocalo opens sockets and does not speak HTTP: write tcp:HOST:80",
		"talk https://host/":                  "write tls:HOST:443",
		"talk OPENSSL:h:443,verify=9":         "option verify",
		"talk TCP:h:1,crnl":                   "it is a flag here: --crlf",
		"talk TCP:h:1,lowport":                "name the port: bind=:PORT, below 1024",
		"explain TCP-CONNECT:h:1,fork":        "it is for the listening side",
		"talk READLINE":                       "write -: the terminal edits lines",
		"talk IP4-SENDTO:h:89":                "raw:HOST,protocol=PROTOCOL",
		"talk nosuch:h:1":                     "unknown scheme",
		"talk tcp:h:1,zzz":                    "'zocalo explain tcp:' lists those of tcp",
		"talk tcp:h:1,nodleay":                "did you mean nodelay?",
		"talk tcp":                            "it has no endpoint: write tcp:host:port",
		"talk -":                              "is standard input and output",
		"talk -u tcp:h:1":                     "-u is for datagrams",
		"talk --wait 3 --ping idp:0#1":        "--wait cannot be used with --ping",
		"talk --probe --count 1 tcp:h:1":      "--count cannot be used with --probe",
		"talk tcp:h:1 80":                     "are two addresses: give one, or HOST PORT",
		"listen --keep --accept-timeout 1 0":  "cannot be combined",
		"listen tcp:0,max-children=3":         "listen takes one peer at a time",
		"echo tcp:0,accept-timeout=3":         "accept-timeout is for verbs that wait for one peer",
		"relay tcp-listen:0,range=x tcp:1":    "it must be an address, a prefix",
		"list port=no-such-service":           "not a service that this system knows",
		"list port=99999999999":               "is not a port",
		"list port=70000":                     "ports go from 0 to 65535",
		"serve":                               "",
		"bench --flows x tcp:1":               "--flows x: ",
		"check nosuch":                        "nosuch",
		"completion tcsh":                     "it must be bash, fish, powershell or zsh",
		"nosuch":                              "unknown verb",
		"-q -v list":                          "cannot be combined",
		"--log-format xml list":               "neither text nor json",
	} {
		t.Run(line, func(t *testing.T) {
			var out, errs strings.Builder
			status := run(strings.Fields(line), streams{strings.NewReader(""), &out, &errs})
			text := errs.String()
			switch {
			case status != statusUsage:
				t.Errorf("the status is %d, with %q", status, text)
			case strings.Count(text, "\n") != 1 || len(text) > 260:
				t.Errorf("it is not one line: %q", text)
			case !strings.Contains(text, says):
				t.Errorf("it says %q; want %q", text, says)
			case foreign.MatchString(text):
				t.Errorf("it speaks of what is beneath: %q", text)
			}
		})
	}
}
