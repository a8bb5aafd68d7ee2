//go:build !linux

package replay

func newAlarmTimer() alarmTimer { return newRuntimeTimer() }
