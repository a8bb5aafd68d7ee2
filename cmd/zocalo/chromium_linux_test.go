package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo/internal/testenv"
)

// page talks to echo servers, one after the other: one that accepts its origin, one that also
// compresses, one that it closes at once, and one of another origin, which refuses it. It tells who served it
// what came.
const page = `<!DOCTYPE html>
<script>
const sent = ['hola ß', new Uint8Array([255, 0, 1]), 'x'.repeat(100000), '', new Uint8Array(70000)]
function talk(to) {
	return new Promise(over => {
		const said = []
		const ws = new WebSocket(to, 'chat')
		ws.binaryType = 'arraybuffer'
		ws.onopen = () => {
			said.push('open ' + ws.protocol + ' ' + ws.extensions.split(';')[0])
			sent.forEach(m => ws.send(m))
			if (to.endsWith('hasty')) ws.close(4001)
		}
		let n = 0
		ws.onmessage = e => {
			const binary = e.data instanceof ArrayBuffer
			const same = binary ? String(new Uint8Array(e.data)) === String(sent[n]) : e.data === sent[n]
			said.push((binary ? 'binary ' : 'text ') + same)
			if (++n === sent.length) ws.close(4000, 'enough')
		}
		ws.onclose = e => { said.push('closed ' + e.code + ' ' + e.reason + ' ' + e.wasClean); over(said.join('\n')) }
	})
}
(async () => {
	const all = []
	for (const to of new URLSearchParams(location.search).getAll('to')) all.push(await talk(to))
	await fetch('/said', {method: 'POST', body: all.join('\n\n')})
})()
</script>`

// A page in a browser talks to echo ws:, by texts and by binary messages, and closes with a code of its
// own. A page from elsewhere may not.
func TestChromium(t *testing.T) {
	chromium := testenv.Program(t, "chromium")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	said := make(chan string, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			b, _ := io.ReadAll(r.Body)
			said <- string(b)
		case r.URL.Path == "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			io.WriteString(w, page)
		default:
			http.NotFound(w, r)
		}
	})}
	go web.Serve(l)
	defer web.Close()
	origin := "http://" + l.Addr().String()

	first, log := echoServer(t, "ws:127.0.0.1:0,subprotocol=chat,origin="+origin)
	packed, _ := echoServer(t, "ws:127.0.0.1:0,deflate,subprotocol=chat,origin="+origin)
	strange, refusals := echoServer(t, "ws:127.0.0.1:0,subprotocol=chat")
	at := origin + "/?" + url.Values{"to": {"ws://" + first, "ws://" + packed, "ws://" + first + "/hasty", "ws://" + strange}}.Encode()
	profile, err := os.MkdirTemp("", "chromium") // not the test's, which must be empty before all of Chromium's processes are gone
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(profile)
	c := exec.Command(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
		"--disable-breakpad", "--user-data-dir="+profile, at)
	c.Env = append(os.Environ(), "TMPDIR="+profile, "HOME="+profile)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		c.Wait()
	}()

	messages := "text true\nbinary true\ntext true\ntext true\nbinary true\nclosed 4000  true"
	want := "open chat \n" + messages + "\n\nopen chat permessage-deflate\n" + messages + "\n\n" +
		"open chat \nclosed 4001  true\n\n" + // what comes while it is closing is dropped, as docs/layers.md says
		"closed 1006  false"
	select {
	case got := <-said:
		if got != want {
			t.Errorf("the page says\n%s\n\nwant\n%s", got, want)
		}
	case <-ctx.Done():
		t.Fatal("the page said nothing within a minute")
	}
	awaitText(ctx, t, log, `4000 \"enough\"`)
	awaitText(ctx, t, refusals, "origin")
}

// echoServer runs echo -v until the test is over, and returns where it listens and the file of what it says.
func echoServer(t *testing.T, address string) (at, log string) {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	c := exec.Command("zocalo", "echo", "-v", "--json", address)
	c.Stderr = file
	return startListening(t, c), file.Name()
}

// awaitText waits until a file has a text.
func awaitText(ctx context.Context, t *testing.T, path, text string) {
	t.Helper()
	for {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), text) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("no %q in\n%s", text, b)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
