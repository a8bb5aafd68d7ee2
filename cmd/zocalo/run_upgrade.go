package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"

	"zocalo/internal/control"
	"zocalo/internal/systemd"
	"zocalo/internal/units"
	"zocalo/service"
)

// upgradePath is the socket by which the process that runs a file hands over to the next.
func upgradePath(file string) (string, error) {
	folder, err := control.Folder()
	if err != nil {
		return "", err
	}
	path, err := filepath.Abs(file)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(folder, fmt.Sprintf("run-%x.upgrade", sum[:8])), nil
}

// takeOver asks the process that runs the file for its listeners.
func (r *runRun) takeOver(ctx context.Context) (*service.Handed, error) {
	path, err := upgradePath(r.file)
	if err != nil {
		return nil, err
	}
	h, err := service.TakeOver(ctx, path)
	switch {
	case errors.Is(err, service.ErrNobody):
		return nil, fmt.Errorf("no process of this user runs %s: omit --upgrade to start it", r.file)
	case err != nil:
		return nil, fmt.Errorf("take over from the process that runs %s: %w", r.file, err)
	}
	if r.manager == nil {
		r.manager = systemd.From(h.Notes)
	}
	return h, nil
}

// serving is called once the services serve.
func (r *runRun) serving(c *service.Config) {
	if r.handed != nil {
		if err := r.handed.Done(); err != nil {
			r.log.Warn("the process before may not have stopped", "pid", r.handed.PID, "error", oneLine(err))
		} else {
			r.log.Info("took over", "pid", r.handed.PID)
		}
	}
	if r.handed != nil { // what the process before has given up by now
		end, err := r.administer(r.reloadFor)
		if err != nil {
			r.log.Error("no admin server", "error", oneLine(err))
		} else {
			r.endAdmin.Store(&end)
		}
	}
	r.tellManager(func() error { return r.manager.Ready(units.Plural(len(c.Services), "service")) })
	r.serves()
}

// opened is called once all listens, before anything is served.
func (r *runRun) opened(c *service.Config) error {
	path, err := upgradePath(r.file)
	if err == nil { // as who this process is until now
		r.upgrades, err = service.ListenUpgrades(path)
	}
	if err != nil {
		r.log.Debug("no other process can take over", "error", oneLine(err))
	}
	if err := service.DropPrivileges(c.User, c.Group); err != nil {
		return err
	}
	return r.enterSandbox(c)
}

// serveUpgrades hands over to the process that asks for it.
func (r *runRun) serveUpgrades(ctx context.Context) {
	if r.upgrades == nil {
		return
	}
	err := r.upgrades.Serve(ctx, r.set, r.manager.Notes(), func(pid int) {
		r.tellManager(func() error { return r.manager.HandedOver(pid) })
		r.successor.Store(true)
		r.silent()
		r.endAdministering()
		r.log.Info("handed over; open pairs go on here until they end", "to", pid)
	})
	r.warn(err)
}

// endAdministering ends the admin server, once.
func (r *runRun) endAdministering() {
	if end := r.endAdmin.Swap(nil); end != nil {
		(*end)()
	}
}
