package sockstat

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zocalo/internal/testenv"
)

// explained is what is said of a connection's client and its other end, again and again until a sentence
// about a topic holds the text.
func explained(t *testing.T, ns *testNetns, client, server int, topic, text string) []Sentence {
	t.Helper()
	var said []Sentence
	for t.Context().Err() == nil {
		list, _ := collect(t, Query{Kinds: []Kind{TCP}, Netns: ns.path(), Details: TCPInfos | Memories | Peers})
		o := Observation{Socket: one(t, list, TCP, inodeOf(t, client))}
		if server >= 0 {
			o.Other = one(t, list, TCP, inodeOf(t, server))
			if o.Socket.PeerInode != o.Other.Inode {
				t.Fatalf("the other end is %d; want %d", o.Socket.PeerInode, o.Other.Inode)
			}
		}
		said = Explain(o)
		if sentence(said, topic, text) != nil {
			return said
		}
		if since := time.Since(explainedSince); since > time.Minute {
			break
		}
	}
	t.Fatalf("nothing about %s says %q in %q", topic, text, said)
	return nil
}

var explainedSince = time.Now()

// background runs step again and again until the test ends.
func background(t *testing.T, step func() error) {
	t.Helper()
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
			}
			if step() != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { close(done); <-ended })
}

// flood writes as long as the socket takes it.
func flood(t *testing.T, fd int) {
	t.Helper()
	must(t, unix.SetNonblock(fd, true))
	chunk := make([]byte, 1<<20)
	background(t, func() error {
		if _, err := unix.Write(fd, chunk); err != nil {
			if err != unix.EAGAIN {
				return err
			}
			_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 20)
			if err != nil && err != unix.EINTR {
				return err
			}
		}
		return nil
	})
}

// drain reads all that comes.
func drain(t *testing.T, fd int) {
	t.Helper()
	must(t, unix.SetNonblock(fd, true))
	chunk := make([]byte, 64<<10)
	background(t, func() error {
		if _, err := unix.Read(fd, chunk); err == unix.EAGAIN {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 20)
		}
		return nil
	})
}

func TestExplainSlowReader(t *testing.T) {
	explainedSince = time.Now()
	ns := newNetns(t)
	client, server := ns.pair(unix.AF_INET, ns.listener(unix.AF_INET, loopback4, 5))
	flood(t, client)
	said := explained(t, ns, client, server, "limit", "Most of all the receiver's window limits it")
	if s := sentence(said, "limit", "Right now the receiver's window"); s == nil {
		t.Errorf("nothing says what limits it now: %q", said)
	}
	if s := sentence(said, "ends", "the reader is the slow side"); s == nil {
		t.Errorf("nothing says which side is slow: %q", said)
	}
	if s := sentence(said, "queues", "At the other end"); s == nil || strings.Contains(s.Text, " 0 bytes") {
		t.Errorf("the other end's queue: %q", said)
	}
	// Seen from the other end, the data that waits is its own.
	list, _ := collect(t, Query{Kinds: []Kind{TCP}, Netns: ns.path(), Details: TCPInfos | Memories})
	there := Explain(Observation{Socket: one(t, list, TCP, inodeOf(t, server))})
	if sentence(there, "queues", "wait here for the program to read; with overhead they fill") == nil || sentence(there, "idle", "It has never sent data") == nil {
		t.Errorf("the reader: %q", there)
	}
}

func TestExplainSlowWriter(t *testing.T) {
	explainedSince = time.Now()
	ns := newNetns(t)
	client, server := ns.pair(unix.AF_INET, ns.listener(unix.AF_INET, loopback4, 5))
	said := explained(t, ns, client, server, "limit", "the application had nothing to send")
	if sentence(said, "idle", "It has never sent data; none has ever arrived.") == nil || sentence(said, "ends", "") != nil {
		t.Errorf("of a connection that is quiet: %q", said)
	}
	drain(t, server)
	_, err := unix.Write(client, []byte("a word now and then"))
	must(t, err)
	acknowledged(t, client)
	said = explained(t, ns, client, server, "limit", "Right now the application limits it")
	for topic, text := range map[string]string{"queues": "Everything that the program wrote is acknowledged.", "loss": "no segment was retransmitted",
		"idle": "No timer runs", "path": "the path carries packets of 65 535"} {
		if sentence(said, topic, text) == nil {
			t.Errorf("nothing about %s says %q: %q", topic, text, said)
		}
	}
	explained(t, ns, client, server, "ends", "the writer is the slow side")
}

func TestExplainSmallBuffer(t *testing.T) {
	explainedSince = time.Now()
	ns := newNetns(t)
	client, server := ns.pair(unix.AF_INET, ns.listener(unix.AF_INET, loopback4, 5))
	must(t, unix.SetsockoptInt(client, unix.SOL_SOCKET, unix.SO_SNDBUF, 1)) // as small as the kernel lets it be
	drain(t, server)
	flood(t, client)
	// Whether Linux counts it in sndbuf_limited depends on when the segments leave: on loopback it does not.
	explained(t, ns, client, -1, "limit", "Right now the sender's buffer limits it")
}

func TestExplainLoss(t *testing.T) {
	explainedSince = time.Now()
	ns := newNetns(t)
	nft := testenv.Program(t, "nft")
	l := ns.listener(unix.AF_INET, loopback4, 5)
	client, server := ns.pair(unix.AF_INET, l)
	ns.do(func() error {
		cmd := exec.Command(nft, "-f", "-")
		cmd.Stdin = strings.NewReader(fmt.Sprintf("table ip t {\n chain c {\n type filter hook input priority 0;\n"+
			"tcp dport %d numgen inc mod 7 == 0 drop\n }\n}\n", port4(l)))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Skipf("nft: %v: %s", err, out)
		}
		return nil
	})
	drain(t, server)
	flood(t, client)
	said := explained(t, ns, client, -1, "loss", "were retransmitted: ")
	if sentence(said, "loss", "no segment was") != nil {
		t.Errorf("it says %q", said)
	}
}

func TestExplainListener(t *testing.T) {
	explainedSince = time.Now()
	ns := newNetns(t)
	l := ns.listener(unix.AF_INET, loopback4, 1)
	ns.client(unix.AF_INET, l)
	said := func() []Sentence {
		list, _ := collect(t, Query{Kinds: []Kind{TCP}, Netns: ns.path(), Details: TCPInfos | Memories})
		return Explain(Observation{Socket: one(t, list, TCP, inodeOf(t, l))})
	}
	if s := said(); sentence(s, "listener", "1 connection of at most 1 waits to be accepted: the queue is 50% full.") == nil || sentence(s, "listener", "no attempt to connect was dropped") == nil || len(s) != 2 {
		t.Errorf("half full: %q", s)
	}
	ns.client(unix.AF_INET, l)
	late := ns.socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	must(t, unix.SetNonblock(late, true))
	sa, err := unix.Getsockname(l)
	must(t, err)
	if err := unix.Connect(late, sa); err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	var s []Sentence
	for sentence(s, "listener", "1 attempt to connect was dropped") == nil && sentence(s, "listener", " attempts to connect were dropped") == nil {
		s = said()
		must(t, t.Context().Err())
	}
	if sentence(s, "listener", "The queue is full: 2 connections") == nil {
		t.Errorf("full: %q", s)
	}
	list, _ := collect(t, Query{Kinds: []Kind{TCP}, Netns: ns.path(), Details: TCPInfos | Memories})
	if got := Explain(Observation{Socket: one(t, list, TCP, inodeOf(t, late))}); sentence(got, "state", "It waits for the peer's answer to its SYN") == nil {
		t.Errorf("who waits: %q", got)
	}
}
