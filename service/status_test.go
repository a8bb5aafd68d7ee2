package service_test

import (
	"context"
	"testing"

	"zocalo"
	"zocalo/address"
	"zocalo/service"
)

// Who looks does not wait for a reload under way, as one with a name that takes long to look up.
func TestStatusDuringReload(t *testing.T) {
	const first = "[service.a]\nverb = \"echo\"\nfrom = \"tcp:127.0.0.1:0\"\n"
	opening, goOn := make(chan struct{}), make(chan struct{})
	set, err := service.New(config(t, first), service.Options{Listening: func(name string, _ *zocalo.Listener, _ address.Address) {
		if name == "slow" {
			close(opening)
			<-goOn
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- set.Run(ctx) }()
	waitFor(t, func() bool { return len(set.Status().Services) == 1 })
	reloaded := make(chan error, 1)
	go func() {
		_, err := set.Reload(config(t, first+"[service.slow]\nverb = \"echo\"\nfrom = \"tcp:127.0.0.1:0\"\n"))
		reloaded <- err
	}()
	<-opening
	if s := set.Status(); len(s.Services) != 1 || s.Reloads != 0 {
		t.Errorf("during the reload: %+v", s)
	}
	if _, ok := set.Pairs("a"); !ok {
		t.Error("a is not there during the reload")
	}
	close(goOn)
	if err := <-reloaded; err != nil {
		t.Error(err)
	}
	if s := set.Status(); len(s.Services) != 2 || s.Reloads != 1 {
		t.Errorf("after the reload: %+v", s)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
