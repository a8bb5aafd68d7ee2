package relay

import (
	"zocalo/address"
	"zocalo/frame"
)

// FormatOf returns the format that the option frame of an address names, the
// zero Format where it is not given.
func FormatOf(a address.Address) (frame.Format, error) {
	text, given := address.Frame.In(a.Settings)
	if !given {
		return frame.Format{}, nil
	}
	return frame.Parse(text)
}
