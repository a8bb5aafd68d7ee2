package join_test

import (
	"errors"
	"testing"

	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// What is written last to a peer that has closed is not taken for delivered; what
// a peer has got is.
func TestConfirm(t *testing.T) {
	j := start(t, unix, tcp, join.End{}, join.End{}, join.Options{Confirm: true})
	try(t, j.b.Close())
	wantsEOF(t, j.a)
	writes(t, j.a, "too late")
	try(t, j.a.Shutdown(socket.ShutdownWrite))
	result, err := j.over()
	var failed *outcome.EndError
	if !errors.As(err, &failed) || failed.Side != outcome.B || result.How != outcome.Reset {
		t.Errorf("it ended as %v, %v; want a reset of end B", result.How, err)
	}

	j = start(t, unix, tcp, join.End{}, join.End{}, join.Options{Confirm: true})
	writes(t, j.a, "hola")
	try(t, j.a.Shutdown(socket.ShutdownWrite))
	wants(t, j.b, "hola")
	wantsEOF(t, j.b)
	try(t, j.b.Close())
	if result, err := j.over(); err != nil || result.How != outcome.Finished {
		t.Errorf("it ended as %v, %v; want it finished", result.How, err)
	}
}
