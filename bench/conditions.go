package bench

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"zocalo/internal/sys"
	"zocalo/socket"
	"zocalo/socket/option"
)

// Machine says where a run was made.
type Machine struct {
	System     string        `json:"system"`           // such as "linux/amd64"
	Kernel     string        `json:"kernel,omitempty"` // its release, such as "6.18.44"
	Processor  string        `json:"processor,omitempty"`
	Processors int           `json:"processors"`     // those that this process may use
	Go         string        `json:"go"`             // such as "go1.26.8"
	Program    string        `json:"program"`        // such as "zocalo 0.1.0"
	ClockStep  time.Duration `json:"clock_step_ns"`  // the resolution of the clock that everything is measured by
	Load       float64       `json:"load,omitempty"` // the load average over the last minute, as the run began
}

// ThisMachine returns the machine that the program runs on. The program's own
// name and version are the caller's.
func ThisMachine(program string) Machine {
	return Machine{
		System: runtime.GOOS + "/" + runtime.GOARCH, Kernel: sys.Release(), Processor: processor(),
		Processors: min(runtime.NumCPU(), runtime.GOMAXPROCS(0)), Go: runtime.Version(), Program: program, ClockStep: clockStep(), Load: load(),
	}
}

// processor is the model of the first processor, "" where the system does not
// tell.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Conditions are what the figures of a run depend on: they belong to every
// output. A field that means nothing for the mode is zero, and left out of
// JSON.
type Conditions struct {
	Started time.Time `json:"started"`
	Machine Machine   `json:"machine"`
	// FarMachine is where the server runs, if it says so.
	FarMachine *Machine `json:"far_machine,omitempty"`

	Address string `json:"address"`           // as the user wrote it, options and all
	Kind    string `json:"kind"`              // the kind of socket, such as "tcp"
	Near    string `json:"near,omitempty"`    // the name of the first flow's socket
	Peer    string `json:"peer,omitempty"`    // the name that it is connected to
	Service string `json:"service,omitempty"` // who answers there, such as "zocalo bench" or "an echo server"

	Mode      Mode          `json:"mode"`
	Direction Direction     `json:"direction,omitempty"`
	Size      int           `json:"size,omitempty"`     // of a message, or of a write to a stream, in bytes
	Flows     int           `json:"flows"`              // sockets at once
	Depth     int           `json:"depth,omitempty"`    // requests under way at once on each flow
	Rate      float64       `json:"rate,omitempty"`     // messages per second in all
	Duration  time.Duration `json:"duration_ns"`        // as asked for; 0 if Count bounds the run
	Count     int64         `json:"count,omitempty"`    // messages in all, as asked for
	WarmUp    time.Duration `json:"warm_up_ns"`         // what came before the measured time
	Verify    bool          `json:"verify,omitempty"`   // the content was checked
	Batch     int           `json:"batch,omitempty"`    // messages given to the system at once
	Offloads  string        `json:"offloads,omitempty"` // GSO and GRO, and why they are off

	SendBuffer    int    `json:"send_buffer,omitempty"`    // of the first flow's socket, in bytes
	ReceiveBuffer int    `json:"receive_buffer,omitempty"` // the same
	NoDelay       *bool  `json:"nodelay,omitempty"`        // TCP_NODELAY, if the kind has it
	Congestion    string `json:"congestion,omitempty"`     // congestion control, if the kind has it
	Segment       int    `json:"segment,omitempty"`        // bytes of data in a segment of TCP
}

// Look fills in what a socket of the run says of itself: its kind, names,
// buffers and options.
func (c *Conditions) Look(s *socket.Socket) {
	c.Kind, c.Near, c.Peer = kindName(s), s.Name().String(), s.Peer().String()
	c.SendBuffer, _ = option.SendBuffer.Get(s)
	c.ReceiveBuffer, _ = option.ReceiveBuffer.Get(s)
	if on, err := option.NoDelay.Get(s); err == nil {
		c.NoDelay = &on
	}
	c.Congestion, _ = option.Congestion.Get(s)
	if info, err := option.ConnectionInfo.Get(s); err == nil {
		c.Segment = info.SendMSS
	}
}

// kindName is a socket's kind, in a word where there is one.
func kindName(s *socket.Socket) string {
	if s.Domain() == socket.Unspecified {
		return "descriptor"
	}
	return s.Kind().String()
}

// load is the first figure of /proc/loadavg, 0 where there is none.
func load() float64 {
	text, _ := os.ReadFile("/proc/loadavg")
	word, _, _ := strings.Cut(string(text), " ")
	f, _ := strconv.ParseFloat(word, 64)
	return f
}
