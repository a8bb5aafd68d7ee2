package iperf3

import (
	"fmt"
	"strings"

	"zocalo/socket"
)

// printable is a word of a stranger's, fit to print.
func printable(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// printableText is a text of a stranger's, whose lines and columns stay.
func printableText(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return '?'
	}, s)
}

// text is a report for the client that asks for what the server prints.
func (p *Report) text(peer socket.Name) string {
	var b strings.Builder
	fmt.Fprintf(&b, "zocalo, client %v\n[ ID] Interval           Transfer        Bitrate\n", peer)
	for _, f := range p.Near.Flows {
		role := "receiver"
		if f.Sends {
			role = "sender"
		}
		seconds := f.Elapsed.Seconds()
		rate := 0.0
		if seconds > 0 {
			rate = float64(f.Bytes) * 8 / seconds
		}
		fmt.Fprintf(&b, "[%3d] %6.2f-%-6.2f sec  %8sB  %9sbits/sec", f.ID, 0.0, seconds,
			decimal(float64(f.Bytes)), decimal(rate))
		if p.Test.UDP && !f.Sends {
			fmt.Fprintf(&b, "  %.3f ms  %d/%d", float64(f.Jitter.Microseconds())/1000, f.Lost, f.Packets)
		}
		if f.Retransmits >= 0 {
			fmt.Fprintf(&b, "  %d retransmits", f.Retransmits)
		}
		fmt.Fprintf(&b, "  %s\n", role)
	}
	return b.String()
}

// decimal writes a number in three digits and the prefix of a unit.
func decimal(f float64) string {
	for _, unit := range []string{"", "K", "M", "G"} {
		if f < 1000 {
			return fmt.Sprintf("%.3g %s", f, unit)
		}
		f /= 1000
	}
	return fmt.Sprintf("%.3g T", f)
}
