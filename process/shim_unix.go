//go:build unix

package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"syscall"
)

// The shim is this same executable, started in place of the program with a
// first argument that no user gives. It sets what belongs to the process that
// will be the program's, becomes the user, and executes the program. What fails
// it reports through a pipe, which a successful execve(2) closes.

const shimName = "zocalo: about to execute"

// Shim must be called first in main (or TestMain) of a program that sets a
// umask, limits or FileNames for a [Command]: those are set by the executable
// started once more, which is what Shim then does instead of returning.
// Otherwise it returns at once.
func Shim() {
	shimCalled.Store(true)
	if len(os.Args) < 4 || os.Args[0] != shimName {
		return
	}
	var r shimRequest
	if err := json.Unmarshal([]byte(os.Args[1]), &r); err != nil {
		fmt.Fprintln(os.Stderr, "zocalo:", err)
		os.Exit(shimStatus)
	}
	syscall.CloseOnExec(r.Report)
	err := r.execute(os.Args[2], os.Args[3:])
	report, _ := json.Marshal(newShimFailure(err))
	syscall.Write(r.Report, report)
	os.Exit(shimStatus)
}

// shimStatus is the exit status of a shim that failed, a shell's for a program
// that cannot be executed.
const shimStatus = 126

// shimRequest is what the shim sets.
type shimRequest struct {
	Report int // descriptor of the pipe
	Parent int // number of the process that is to be the program's parent
	Dir    string
	User   *User
	Umask  *fs.FileMode
	Limits []Limit
	Listen bool // set LISTEN_PID
}

// execute becomes the program, or returns why not.
func (r *shimRequest) execute(path string, args []string) error {
	runtime.LockOSThread()
	if r.Umask != nil {
		syscall.Umask(int(r.Umask.Perm()))
	}
	for _, l := range r.Limits {
		if err := l.set(); err != nil {
			return err
		}
	}
	if r.User != nil {
		if err := r.User.become(); err != nil {
			return err
		}
	}
	if r.Dir != "" {
		if err := os.Chdir(r.Dir); err != nil {
			return err
		}
	}
	if err := dieWith(r.Parent); err != nil {
		return err
	}
	env := os.Environ()
	if r.Listen {
		env = append(env, "LISTEN_PID="+strconv.Itoa(os.Getpid()))
	}
	return syscall.Exec(path, args, env)
}

// shimFailure is what the shim reports.
type shimFailure struct {
	Errno syscall.Errno // 0 where it is no error of the system
	Text  string        // of the whole error, with Errno's text at its end
	Exec  bool          // it was the program that could not be executed
}

func newShimFailure(err error) shimFailure {
	f := shimFailure{Text: err.Error()}
	errors.As(err, &f.Errno)
	f.Exec = error(f.Errno) == err
	return f
}

func (f *shimFailure) Error() string { return f.Text }

// Unwrap makes errors.Is see the error of the program's execve(2) alone:
// advice about a program does not fit what else failed.
func (f *shimFailure) Unwrap() error {
	if f.Exec {
		return f.Errno
	}
	return nil
}

// startShim starts the shim, and returns once the program has taken its place.
func (c *Command) startShim(path string, attr *syscall.ProcAttr, pid *int) error {
	self, err := executable()
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	request, err := json.Marshal(shimRequest{
		Report: len(attr.Files), Parent: os.Getpid(), Dir: c.Dir, User: c.User, Umask: c.Umask, Limits: c.Limits, Listen: c.FileNames != nil,
	})
	if err == nil {
		attr.Files = append(attr.Files, w.Fd())
		err = startProcess(self, append([]string{shimName, string(request), path}, c.Args...), attr, pid)
	}
	w.Close()
	if err != nil {
		return err
	}
	report, err := io.ReadAll(r)
	if len(report) == 0 && err == nil {
		return nil
	}
	f := &shimFailure{}
	if err == nil {
		err = json.Unmarshal(report, f)
	}
	wait(*pid, nil)
	starter.childEnded()
	if err != nil {
		return err
	}
	return f
}
