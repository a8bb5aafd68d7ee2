package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"

	"zocalo/service"
	"zocalo/service/admin"
	"zocalo/service/sandbox"
)

// A boxed is the sandbox of run.
type boxed struct {
	asked bool
	needs atomic.Pointer[sandbox.Needs] // since it was entered
}

// enter restricts the process to what a config needs. Everything listens by now.
func (r *runRun) enterSandbox(c *service.Config) error {
	if !r.boxed.asked {
		return nil
	}
	needs, err := c.Needs()
	if err != nil {
		return usagef("--sandbox: %w", err)
	}
	switch path, err := admin.Path(); {
	case r.admin.socket == "none":
	case r.admin.socket != "":
		needs.Sockets = append(needs.Sockets, filepath.Dir(r.admin.socket))
	case err == nil:
		needs.Sockets = append(needs.Sockets, filepath.Dir(path))
	}
	weaker, err := sandbox.Enter(needs)
	if err != nil {
		return fmt.Errorf("--sandbox: %w", err)
	}
	if weaker != "" {
		r.log.Warn("the sandbox is weaker than asked", "reason", weaker)
	}
	r.boxed.needs.Store(&needs)
	r.log.Debug("in a sandbox", "read", needs.Read, "write", needs.Write, "sockets", needs.Sockets, "bind", needs.Bind, "connect", needs.Connect)
	return nil
}

// fits refuses a config that needs what the sandbox does not allow.
func (r *runRun) fits(c *service.Config) error {
	if !r.boxed.asked {
		return nil
	}
	has := r.boxed.needs.Load()
	if has == nil {
		return errors.New("the services are still starting: try again")
	}
	needs, err := c.Needs()
	if err != nil {
		return err
	}
	if beyond := has.Beyond(needs); len(beyond) > 0 {
		return fmt.Errorf("the sandbox does not allow %s: start zocalo run anew", strings.Join(beyond, ", "))
	}
	return nil
}
