package record

import (
	"io"
	"log/slog"
	"time"
)

// DefaultQueue is how many bytes may wait for the file where [Options] do not say.
const DefaultQueue = 8 << 20

// Options say how to record. The zero value is good.
type Options struct {
	// MaxSize begins another file before one is longer, in bytes, but for a file whose
	// first packets alone are. 0 or less is no bound.
	MaxSize int64

	// MaxTime begins another file with the first packet that comes so long after the
	// file was begun. 0 or less is never.
	MaxTime time.Duration

	// PerPair makes a file of its own for each pair, FILE_pair-3.pcapng for the third.
	PerPair bool

	// Must makes what passes wait for room in the queue, so that no packet is lost: the
	// disk then is as much a bound as a slow reader. Without it what finds no room is
	// not recorded, and counted.
	Must bool

	// Queue is how many bytes may wait for the file, of each file that is open; 0 or
	// less means DefaultQueue.
	Queue int

	// Output, if not nil, is written to in place of a file. It is not closed.
	Output io.Writer

	// Secrets adds the secrets of TLS to what [Recorder.Wire] records.
	Secrets bool

	// Application is the program's name, for the file; "" means "zocalo".
	Application string

	// Comments are of the file as a whole.
	Comments []string

	// Log is told, once each, that packets were lost and that the recording has stopped; nil
	// discards that.
	Log *slog.Logger
}

func (o *Options) queue() int {
	if o.Queue <= 0 {
		return DefaultQueue
	}
	return o.Queue
}

// chunk is the size of the memory that is written at once.
func (o *Options) chunk() int {
	if o.PerPair || o.MaxSize > 0 && o.MaxSize < 8*chunkSize {
		return smallChunk
	}
	return chunkSize
}

func (o *Options) application() string {
	if o.Application == "" {
		return "zocalo"
	}
	return o.Application
}
