//go:build unix

package control

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Look asks all processes of this user or, for root, of all users what they hold, of some
// kinds or of all. A process that does not answer in time, or answers wrongly, is left out:
// other users' sockets may be anything.
func Look(ctx context.Context, kinds ...string) (answers []Answer) {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	var left atomic.Int64
	left.Store(mostAnswers)
	var mu sync.Mutex
	var group sync.WaitGroup
	tokens := make(chan struct{}, mostAsked)
	for _, p := range places() {
		for _, path := range p.sockets() {
			tokens <- struct{}{}
			group.Go(func() {
				defer func() { <-tokens }()
				a, err := ask(ctx, path, p.uid, kinds, &left)
				if err != nil {
					if p.uid == os.Geteuid() {
						removeStale(path, err)
					}
					return
				}
				mu.Lock()
				defer mu.Unlock()
				answers = append(answers, *a)
			})
		}
	}
	group.Wait()
	slices.SortFunc(answers, func(a, b Answer) int { return cmp.Or(cmp.Compare(a.PID, b.PID), a.Began.Compare(b.Began)) })
	return answers
}

// ask asks the process behind a socket, which must be run by that user.
func ask(ctx context.Context, path string, uid int, kinds []string, left *atomic.Int64) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	owner, pid, err := Peer(conn.(*net.UnixConn))
	if err != nil || owner != uid {
		return nil, fmt.Errorf("%s is served by another user", path)
	}
	request, err := json.Marshal(Request{Version, "sockets", kinds})
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(append(request, '\n')); err != nil {
		return nil, err
	}
	a, err := readAnswer(bounded{conn, left})
	if err != nil {
		return nil, err
	}
	a.UID, a.PID = uid, cmp.Or(pid, a.PID)
	return a, nil
}

// bounded reads no more than is left for all who read.
type bounded struct {
	r    io.Reader
	left *atomic.Int64
}

func (b bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left.Add(-int64(n)) < 0 {
		return 0, errors.New("the answers are too long")
	}
	return n, err
}

// readAnswer reads one answer, which has an end.
func readAnswer(r io.Reader) (*Answer, error) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, mostLine)
	a := &Answer{}
	for first := true; in.Scan(); first = false {
		if first {
			if err := json.Unmarshal(in.Bytes(), &a.Header); err != nil {
				return nil, err
			}
			if a.Error != "" {
				return nil, errors.New(a.Error)
			}
			continue
		}
		var line struct {
			Row
			end
		}
		if err := json.Unmarshal(in.Bytes(), &line); err != nil {
			return nil, err
		}
		if line.End {
			a.LeftOut = line.LeftOut
			return a, nil
		}
		if a.Rows = append(a.Rows, line.Row); len(a.Rows) > mostRows {
			break
		}
	}
	return nil, cmp.Or(in.Err(), errors.New("the answer was cut short"))
}
