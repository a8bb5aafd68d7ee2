//go:build !linux

package service

import (
	"context"

	"zocalo/socket"
)

var errUpgrade = &socket.UnsupportedError{Feature: "handing services over to another process", Needs: "Linux"}

// Upgrades is where other processes may take services over.
type Upgrades struct{}

// ListenUpgrades needs Linux.
func ListenUpgrades(string) (*Upgrades, error) { return nil, errUpgrade }

// Close does nothing.
func (u *Upgrades) Close() error { return nil }

// Serve needs Linux.
func (u *Upgrades) Serve(context.Context, *Set, map[string]string, func(pid int)) error {
	return errUpgrade
}

// TakeOver needs Linux.
func TakeOver(context.Context, string) (*Handed, error) { return nil, errUpgrade }

// Done needs Linux.
func (h *Handed) Done() error { return errUpgrade }
