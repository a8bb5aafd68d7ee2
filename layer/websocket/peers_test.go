package websocket_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"zocalo/internal/testenv"
)

// node returns a script of node that may require a module.
func node(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	program := testenv.Program(t, "node")
	root, err := exec.Command(testenv.Program(t, "npm"), "root", "-g").Output()
	try(t, err)
	path := "NODE_PATH=" + strings.TrimSpace(string(root))
	has := exec.Command(program, "-e", "require('ws')")
	has.Env = append(os.Environ(), path)
	lacks(t, "the module ws of node", has)
	c := exec.CommandContext(within(t), program, append([]string{"-e", script, "--"}, args...)...)
	c.Env = has.Env
	return c
}

// python returns a script of Debian's Python with its package websockets.
func python(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	program := testenv.Program(t, "/usr/bin/python3")
	lacks(t, "the module websockets of /usr/bin/python3", exec.Command(program, "-c", "import websockets"))
	return exec.CommandContext(within(t), program, append([]string{"-c", script}, args...)...)
}

// lacks ends the test if a module is not there, as testenv.Program does for a program.
func lacks(t *testing.T, what string, has *exec.Cmd) {
	t.Helper()
	switch {
	case has.Run() == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("%s is not installed, and CI must have it", what)
	default:
		t.Skipf("needs %s, which is not installed", what)
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	return ctx
}

// output is all that a program says.
func output(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return string(out)
}

const nodeClient = `
const WebSocket = require('ws')
const [url, deflate] = process.argv.slice(-2)
const ws = new WebSocket(url, {perMessageDeflate: deflate === 'deflate'})
const sent = ['hola', Buffer.from([0xff, 0, 1]), 'x'.repeat(100000)]
let n = 0
ws.on('open', () => { ws.ping('there?'); for (const m of sent) ws.send(m) })
ws.on('pong', d => console.log('pong', String(d)))
ws.on('message', (d, binary) => {
	if (!d.equals(Buffer.from(sent[n])) || binary !== Buffer.isBuffer(sent[n])) console.log('wrong', n, binary, d.length)
	if (++n === sent.length) ws.close(4000, 'enough')
})
ws.on('close', code => console.log('closed', code, n, ws.extensions || 'plain'))
ws.on('error', e => console.log('error', e.message))`

const pythonClient = `
import asyncio, sys, websockets
async def main():
    deflate = sys.argv[2] == "deflate"
    async with websockets.connect(sys.argv[1], compression="deflate" if deflate else None) as ws:
        await (await ws.ping())
        print("pong there?")
        n = 0
        for m in ["hola", b"\xff\x00\x01", "x" * 100000]:
            await ws.send(m)
            if await ws.recv() != m:
                print("wrong", n)
            n += 1
        await ws.close(4000, "enough")
    print("closed", ws.close_code, n, ws.extensions[0].name if ws.extensions else "plain")
asyncio.run(main())`

// Clients that nobody here wrote talk to an echo server.
func TestClientsOfOthers(t *testing.T) {
	for _, c := range []struct {
		name   string
		client func(t *testing.T, script string, args ...string) *exec.Cmd
		script string
	}{{"node", node, nodeClient}, {"python", python, pythonClient}} {
		for _, deflate := range []string{"plain", "deflate"} {
			t.Run(c.name+" "+deflate, func(t *testing.T) {
				l := server(t, "ws:127.0.0.1:0/chat,deflate", echo)
				got := output(t, c.client(t, c.script, "ws://"+l.Addr().String()+"/chat", deflate))
				ext := strings.Replace(deflate, "deflate", "permessage-deflate", 1)
				if want := "pong there?\nclosed 4000 3 " + ext + "\n"; got != want {
					t.Errorf("it says %q; want %q", got, want)
				}
			})
		}
	}
	t.Run("wscat", func(t *testing.T) {
		l := server(t, "ws:127.0.0.1:0", echo)
		c := exec.CommandContext(within(t), testenv.Program(t, "wscat"), "-c", "ws://"+l.Addr().String(), "-x", "hola", "-w", "-1")
		stdin, err := c.StdinPipe() // it ends with its input
		try(t, err)
		stdout, err := c.StdoutPipe()
		try(t, err)
		try(t, c.Start())
		said, err := bufio.NewReader(stdout).ReadString('\n')
		if strings.TrimSpace(said) != "hola" {
			t.Errorf("wscat says %q, %v", said, err)
		}
		stdin.Close()
		io.Copy(io.Discard, stdout)
		try(t, c.Wait())
	})
}

const nodeServer = `
const {WebSocketServer} = require('ws')
const s = new WebSocketServer({port: 0, host: '127.0.0.1', perMessageDeflate: true}, () => console.log('port', s.address().port))
s.on('connection', ws => {
	ws.on('message', (d, binary) => String(d) === 'go away' ? ws.close(1011, 'as you like') : ws.send(d, {binary}))
	ws.on('close', code => console.log('closed', code))
})`

const pythonServer = `
import asyncio, websockets
async def serve(ws):
    try:
        async for m in ws:
            if m == "go away":
                await ws.close(1011, "as you like")
            else:
                await ws.send(m)
    finally:
        print("closed", ws.close_code, flush=True)
async def main():
    async with websockets.serve(serve, "127.0.0.1", 0) as s:
        print("port", s.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()
asyncio.run(main())`

// started starts a server, and returns what it says, line by line.
func started(t *testing.T, c *exec.Cmd) *bufio.Scanner {
	t.Helper()
	out, err := c.StdoutPipe()
	try(t, err)
	c.Stderr = os.Stderr
	try(t, c.Start())
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	return bufio.NewScanner(out)
}

// Servers that nobody here wrote are talked to.
func TestServersOfOthers(t *testing.T) {
	for _, c := range []struct {
		name   string
		server func(t *testing.T, script string, args ...string) *exec.Cmd
		script string
	}{{"node", node, nodeServer}, {"python", python, pythonServer}} {
		t.Run(c.name, func(t *testing.T) {
			says := started(t, c.server(t, c.script))
			says.Scan()
			var port int
			_, err := fmt.Sscanf(says.Text(), "port %d", &port)
			try(t, err)
			for _, options := range []string{"", ",deflate"} {
				s := dial(t, fmt.Sprintf("ws:127.0.0.1:%d,type=text%s", port, options))
				for _, m := range []string{"hola", strings.Repeat("0123456789", 10_000)} {
					write(t, s, m)
					b := make([]byte, 200_000)
					if n, err := s.Read(b); err != nil || string(b[:n]) != m {
						t.Fatalf("Read = %d bytes, %v", n, err)
					}
				}
				if facts := s.Facts().String(); strings.Contains(facts, "deflate") != (options == ",deflate") {
					t.Errorf("the facts with %q are %q", options, facts)
				}
				try(t, s.CloseWrite())
				readEnd(t, s, io.EOF)
				if says.Scan(); says.Text() != "closed 1000" {
					t.Errorf("the server says %q", says.Text())
				}
			}
			s := dial(t, fmt.Sprintf("ws:127.0.0.1:%d,type=text", port))
			write(t, s, "go away")
			if _, err := s.Read(make([]byte, 10)); err == nil || !strings.Contains(err.Error(), `1011 internal error "as you like"`) {
				t.Errorf("Read of what the server has closed: %v", err)
			}
		})
	}
	t.Run("websocketd", func(t *testing.T) {
		at := freePort(t)
		started(t, exec.CommandContext(within(t), testenv.Program(t, "websocketd"), "--address=127.0.0.1", "--port="+port(at), "cat"))
		s := dial(t, "ws:"+at+",type=text,retry=100,interval=50ms")
		write(t, s, "hola")
		read(t, s, "hola")
	})
	t.Run("libwebsockets", func(t *testing.T) {
		at := freePort(t)
		program := testenv.Program(t, "libwebsockets-test-server")
		c := exec.CommandContext(within(t), program, "--port="+port(at), "-r", t.TempDir())
		try(t, c.Start())
		t.Cleanup(func() { c.Process.Kill(); c.Wait() })
		s := dial(t, "ws:"+at+",subprotocol=dumb-increment-protocol,retry=100,interval=50ms")
		for _, want := range []string{"0", "1", "2"} {
			read(t, s, want)
		}
		mirror := dial(t, "ws:"+at+",subprotocol=lws-mirror-protocol,type=text,path=/?mirror=zocalo")
		other := dial(t, "ws:"+at+",subprotocol=lws-mirror-protocol,type=text,path=/?mirror=zocalo")
		write(t, mirror, "c #ff0000 1 2 3;")
		read(t, other, "c #ff0000 1 2 3;")
	})
}

// freePort is a name that nobody has, for a server that does not tell which it chose.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	try(t, err)
	defer l.Close()
	return l.Addr().String()
}

func port(at string) string {
	_, port, _ := net.SplitHostPort(at)
	return port
}
