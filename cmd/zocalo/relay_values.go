package main

import (
	"errors"
	"strings"
	"time"

	"zocalo/socket"
)

// patience is the value of --retry: for how long, or "forever".
type patience time.Duration

// Set implements pflag.Value.
func (p *patience) Set(text string) error {
	if text == "forever" {
		*p = -1
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return errors.New("it must be a time, as 30s, or forever")
	}
	*p = patience(d)
	return nil
}

func (p *patience) String() string { return "" }
func (p *patience) Type() string   { return "TIME" }

// rate is the value of --rate: octets a second.
type rate int64

// Set implements pflag.Value.
func (r *rate) Set(text string) error {
	n, err := socket.AtLeast(socket.Size, 1).Parse(strings.TrimSuffix(text, "/s"))
	*r = rate(n)
	return err
}

func (r *rate) String() string { return "" }
func (r *rate) Type() string   { return "SIZE" }
