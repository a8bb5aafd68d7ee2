package tls

import (
	"crypto/tls"
	"io"
	"slices"
	"sync"
	"sync/atomic"
)

// secrets are those who are told of secrets; nil for nobody.
var secrets struct {
	mu    sync.Mutex
	tell  atomic.Pointer[[]*func([]byte)]
	cache sync.Map // *tls.Config, of handshakes that nobody is told of: the same with a key log
}

// OnSecrets has tell hear of the secrets of every handshake that begins from now on, of all
// addresses and of QUIC too, until off is called: lines of NSS's key log, each before anything leaves
// that it decrypts. They decrypt whatever passes. tell must not keep a line, and may be called by several
// goroutines at once.
func OnSecrets(tell func(line []byte)) (off func()) {
	change := func(f func([]*func([]byte)) []*func([]byte)) {
		secrets.mu.Lock()
		defer secrets.mu.Unlock()
		var all []*func([]byte)
		if now := secrets.tell.Load(); now != nil {
			all = slices.Clone(*now)
		}
		if all = f(all); len(all) == 0 {
			secrets.tell.Store(nil)
			secrets.cache.Clear()
			return
		}
		secrets.tell.Store(&all)
	}
	one := &tell
	change(func(all []*func([]byte)) []*func([]byte) { return append(all, one) })
	return func() {
		change(func(all []*func([]byte)) []*func([]byte) {
			return slices.DeleteFunc(all, func(t *func([]byte)) bool { return t == one })
		})
	}
}

// told returns the configuration of a handshake, with a key log where somebody is to hear of
// secrets. It is the same each time, since session tickets are sealed by what it holds.
func told(c *tls.Config) *tls.Config {
	if secrets.tell.Load() == nil {
		return c
	}
	if with, known := secrets.cache.Load(c); known {
		return with.(*tls.Config)
	}
	with := c.Clone()
	with.KeyLogWriter = keyLog{c.KeyLogWriter}
	made, _ := secrets.cache.LoadOrStore(c, with)
	return made.(*tls.Config)
}

// A keyLog tells whoever is to hear, and writes on to another one.
type keyLog struct{ next io.Writer }

func (k keyLog) Write(line []byte) (int, error) {
	if all := secrets.tell.Load(); all != nil {
		for _, tell := range *all {
			(*tell)(line)
		}
	}
	if k.next != nil {
		return k.next.Write(line)
	}
	return len(line), nil
}
