package accesslog

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"zocalo/internal/say"
	"zocalo/relay"
	"zocalo/relay/outcome"
)

// appendLine appends the line of a pair, without its end.
func appendLine(b []byte, now time.Time, service string, p *relay.Pair) []byte {
	b = append(b, `{"time":`...)
	b = appendTime(b, now)
	b = append(b, `,"service":`...)
	b = appendString(b, service)
	b = append(b, `,"pair":`...)
	b = strconv.AppendInt(b, p.Number, 10)
	b = append(b, `,"peer":`...)
	b = appendString(b, p.Peer)
	b = append(b, `,"target":`...)
	b = appendString(b, p.Target)
	b = append(b, `,"began":`...)
	b = appendTime(b, p.Began)
	b = append(b, `,"seconds":`...)
	b = appendSeconds(b, p.Result.Duration)
	b = append(b, `,"how":`...)
	b = appendString(b, p.Result.How.String())
	b = append(b, `,"sent":`...)
	b = appendFlow(b, &p.Result.From[relay.A])
	b = append(b, `,"received":`...)
	b = appendFlow(b, &p.Result.From[relay.B])
	if n := int64(p.Result.From[relay.A].Dropped) + int64(p.Result.From[relay.B].Dropped); n > 0 {
		b = append(b, `,"dropped":`...)
		b = strconv.AppendInt(b, n, 10)
	}
	if p.Err != nil {
		b = append(b, `,"error":`...)
		b = appendString(b, errorText(p.Err))
	}
	return append(b, '}')
}

// errorText says why a pair did not end in order, and at which side.
func errorText(err error) string {
	var end *outcome.EndError
	side := ""
	if errors.As(err, &end) {
		side, err = "FROM: ", end.Err
		if end.Side == relay.B {
			side = "TO: "
		}
	}
	return side + strings.ReplaceAll(strings.TrimSpace(say.Error(err)), "\n", "; ")
}

func appendFlow(b []byte, f *outcome.Flow) []byte {
	count := func(key string, n int64) {
		if n != 0 {
			b = append(b, key...)
			b = strconv.AppendInt(b, n, 10)
		}
	}
	b = append(b, `{"bytes":`...)
	b = strconv.AppendInt(b, f.Bytes, 10)
	count(`,"messages":`, f.Messages)
	count(`,"urgent":`, int64(f.Urgent)+int64(f.UrgentInLine))
	count(`,"refused":`, int64(f.Refused))
	b = append(b, `,"end_of_file":`...)
	b = strconv.AppendBool(b, f.EndOfFile)
	return append(b, '}')
}

// appendTime appends a time of UTC to the millisecond.
func appendTime(b []byte, t time.Time) []byte {
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	return append(b, '"')
}

// appendSeconds appends a duration to the microsecond.
func appendSeconds(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, math.Round(d.Seconds()*1e6)/1e6, 'f', -1, 64)
}

const hexDigits = "0123456789abcdef"

// appendString appends a text as a string of JSON. What is not UTF-8 becomes U+FFFD, and
// what a terminal or another reader may take for more than text is escaped.
func appendString(b []byte, text string) []byte {
	b = append(b, '"')
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
			i++
		case c < 0x20 || c == 0x7f:
			b = append(b, `\u00`...)
			b = append(b, hexDigits[c>>4], hexDigits[c&15])
			i++
		case c < utf8.RuneSelf:
			b = append(b, c)
			i++
		default:
			r, size := utf8.DecodeRuneInString(text[i:])
			switch {
			case r == utf8.RuneError && size == 1:
				b = append(b, "\ufffd"...)
			case r >= 0x80 && r < 0xa0, r == '\u2028', r == '\u2029', r == '\u200e', r == '\u200f', r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
				b = append(b, `\u`...)
				b = append(b, hexDigits[r>>12], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
			default:
				b = append(b, text[i:i+size]...)
			}
			i += size
		}
	}
	return append(b, '"')
}
