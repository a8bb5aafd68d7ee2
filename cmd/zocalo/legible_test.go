package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"zocalo/internal/testenv"
)

func TestLegible(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"unix:/run/señor 1.sock":    "unix:/run/señor 1.sock",
		"@x\n\x1b[31mlistening on":  `@x\n\x1b[31mlistening on`,
		"a\x00b\tc\r":               `a\x00b\tc\r`,
		"\u202eevil\u2066":          `\u202eevil\u2066`,
		"\xff\xfe and \u009b31m":    `\xff\xfe and \u009b31m`,
		"b'\\n' stays as it is: \\": `b'\n' stays as it is: \`,
	} {
		if got := legible(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// JSON stays what it was, with nothing in it that does not print.
func TestLegibleJSON(t *testing.T) {
	for _, text := range []string{"señor", "\u009b31m\x7f\x1b", "\u202e and \U000e0041", "a\nb"} {
		line, err := json.Marshal(map[string]string{"peer": text})
		if err != nil {
			t.Fatal(err)
		}
		line = legibleJSON(line)
		var back map[string]string
		if err := json.Unmarshal(line, &back); err != nil || back["peer"] != text || !prints(string(line)) {
			t.Errorf("%q became %q, and %q again (%v)", text, line, back["peer"], err)
		}
	}
}

// prints reports whether text is lines without anything that does not print.
func prints(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !strconv.IsPrint(r) }) < 0
}

// Whatever a peer calls itself, it makes no line of the log, and nothing of it
// reaches a terminal as it is: from every verb, of every kind that has names
// to choose, in either form of the log.
func TestHostileNames(t *testing.T) {
	zocalo, err := exec.LookPath("zocalo") // this test binary, by testscript.Main
	if err != nil {
		zocalo = build(t)
	}
	const forged = "listening on tcp:evil"
	for _, scheme := range []string{"unix", "unix-seqpacket", "unix-dgram"} {
		for _, verb := range [][]string{{"echo"}, {"listen", "--keep"}, {"serve", "--", "cat"}, {"relay", "tcp:127.0.0.1:9"}} {
			for _, format := range []string{"text", "json"} {
				t.Run(scheme+" "+verb[0]+" "+format, func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					at := filepath.Join(dir, "s")
					args := []string{verb[0], "-v", "--log-format", format, scheme + ":" + at}
					args = append(args, verb[1:]...)
					if verb[0] == "relay" {
						args[4] = scheme + "-listen:" + at
						if scheme != "unix" {
							args[5] = "udp:127.0.0.1:9"
						}
					}
					cmd := exec.CommandContext(t.Context(), zocalo, args...)
					log := new(shared)
					cmd.Stderr = log
					if err := cmd.Start(); err != nil {
						t.Fatal(err)
					}
					defer cmd.Wait()
					defer cmd.Process.Kill()
					until(t, log, "it listens", func() bool { return strings.Contains(log.String(), "listening on") })
					for _, name := range []string{
						"@" + strconv.Itoa(cmd.Process.Pid) + "\n\x1b[31m" + forged + "\x1b[0m\u202ey", filepath.Join(dir, "\n\x1b[31m"+forged+"\n"),
					} {
						c := dialUntil(t, scheme+":"+at+",bind="+name)
						writeText(t, c, "hi\n")
						if verb[0] == "echo" || verb[0] == "serve" {
							wantText(t, c, "hi\n")
						}
						c.Close()
					}
					until(t, log, "the peer is named", func() bool { return strings.Contains(log.String(), "evil") })
					cmd.Process.Signal(syscall.SIGTERM)
					cmd.Wait()
					for line := range strings.Lines(log.String()) {
						line = strings.TrimSuffix(line, "\n")
						if !prints(line) || strings.HasPrefix(line, forged) {
							t.Errorf("the line %q is printed as it is", line)
						}
						if format == "json" && !json.Valid([]byte(line)) {
							t.Errorf("the line %q is no JSON", line)
						}
					}
				})
			}
		}
	}
}

// shared is a buffer that a command writes and a test reads.
type shared = testenv.Journal

func until(t *testing.T, log *shared, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come to pass that %s:\n%q", what, log)
		}
	}
}
