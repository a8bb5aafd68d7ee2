package scheme

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"zocalo/codec"
	"zocalo/socket"
	"zocalo/socket/option"
)

// Options of terminals and serial lines, see termios(3). What they change is put
// back when the socket is closed.
var (
	rawOption = option.New(option.Spec{
		Name: "raw", Aliases: []string{"rawer", "cfmakeraw"}, Phase: option.Naming, Default: "off",
		Doc: "pass every byte as it is: the terminal does not echo, edit lines or turn keys into signals",
	}, codec.Flag, nil, nil)
	echoOption = option.New(option.Spec{
		Name: "echo", Phase: option.Naming, Default: "as it is",
		Doc: "show what is typed; echo=0 does not",
	}, codec.Flag, nil, nil)
	escapeOption = option.New(option.Spec{
		Name: "escape", Phase: option.Naming, Default: "none",
		Doc: "the key that ends the input, such as ^] for Ctrl-], or its number, such as 0x1d",
	}, codec.Codec[byte]{Placeholder: "KEY", Parse: parseKey, Format: formatKey}, nil, nil)
	speedOption = option.New(option.Spec{
		Name: "speed", Aliases: []string{"baud"}, Phase: option.Naming, Default: "as it is",
		Doc: "speed of a serial line in bits per second, in both directions: 115200",
	}, codec.Between(codec.Integer.Or("BAUD"), 50, 100_000_000), nil, nil)
	lineOption = option.New(option.Spec{
		Name: "line", Phase: option.Naming, Default: "as it is; raw makes it eight bits without parity",
		Doc: "data bits, parity (N, E, O) and stop bits of a serial line: 8N1, 7E1",
	}, codec.Codec[string]{Placeholder: "8N1", Parse: parseLine, Format: codec.Text.Format}, nil, nil)
	flowOption = option.New(option.Spec{
		Name: "flow", Phase: option.Naming, Default: "as it is",
		Doc: "flow control of a serial line: none, rtscts (the line's own wires), xonxoff (two characters)",
	}, codec.Codec[string]{Placeholder: "none|rtscts|xonxoff", Parse: parseFlow, Format: codec.Text.Format}, nil, nil)

	terminalOptions = []*option.Spec{rawOption.Spec, echoOption.Spec, escapeOption.Spec}
	serialOptions   = []*option.Spec{speedOption.Spec, lineOption.Spec, flowOption.Spec}
)

// parseKey reads a key as ^] or as a number.
func parseKey(text string) (byte, error) {
	if control, ok := strings.CutPrefix(text, "^"); ok && len(control) == 1 && control[0] >= '?' {
		return strings.ToUpper(control)[0] ^ 0x40, nil
	}
	n, err := codec.Integer.Parse(text)
	if err != nil || n < 0 || n > 255 {
		return 0, errors.New("it must be a key such as ^] for Ctrl-], or a number from 0 to 255")
	}
	return byte(n), nil
}

func formatKey(key byte) string {
	if key < ' ' {
		return "^" + string(key^0x40)
	}
	return strconv.Itoa(int(key))
}

func parseLine(text string) (string, error) {
	text = strings.ToUpper(text)
	if len(text) != 3 || text[0] < '5' || text[0] > '8' || !strings.Contains("NEO", text[1:2]) || text[2] != '1' && text[2] != '2' {
		return "", errors.New("it must be 5 to 8 data bits, parity N, E or O and 1 or 2 stop bits, such as 8N1")
	}
	return text, nil
}

func parseFlow(text string) (string, error) {
	switch text = strings.ToLower(text); text {
	case "none", "rtscts", "xonxoff":
		return text, nil
	}
	return "", errors.New("it must be none, rtscts or xonxoff")
}

// withTerminal returns e, whose descriptor is fd, with what the settings say of
// terminals. If that cannot be, e is closed.
func withTerminal(e socket.Endpoint, fd int, ss option.Settings) (socket.Endpoint, error) {
	key, escapes := escapeOption.In(ss)
	restore, err := setTerminal(fd, ss)
	switch {
	case err != nil:
		e.Close()
		return nil, err
	case restore == nil && !escapes:
		return e, nil
	}
	return &terminalLine{Endpoint: e, restore: restore, key: key, escapes: escapes}, nil
}

// terminalLine is a terminal whose settings were changed, or whose input ends at a
// key. It hides the descriptor, which knows nothing of that.
type terminalLine struct {
	socket.Endpoint
	restore func() // nil for nothing
	key     byte
	escapes bool
	over    bool
}

func (l *terminalLine) Read(b []byte) (int, error) {
	if l.over {
		return 0, io.EOF
	}
	n, err := l.Endpoint.Read(b)
	if i := bytes.IndexByte(b[:n], l.key); l.escapes && i >= 0 {
		if l.over = true; i == 0 {
			return 0, io.EOF
		}
		return i, nil
	}
	return n, err
}

func (l *terminalLine) Close() error {
	if l.restore != nil {
		l.restore()
	}
	return l.Endpoint.Close()
}
