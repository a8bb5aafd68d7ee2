package scheme

import (
	"time"

	"zocalo/socket"
	"zocalo/socket/option"
)

// probeAfter is how long a TCP connection made by address is idle before it is
// probed, and the time between the probes.
const probeAfter = 15 * time.Second

// tcpDefaults are set on TCP connections made by address, as users of package
// net know them; a listener's go over to what it accepts.
func tcpDefaults() option.Settings {
	return option.Settings{
		{Spec: option.NoDelay.Spec, Value: true}, {Spec: option.KeepAlive.Spec, Value: true},
		{Spec: option.KeepAliveIdle.Spec, Value: probeAfter}, {Spec: option.KeepAliveInterval.Spec, Value: probeAfter},
	}
}

// The options of each kind of kernel socket, in the order in which explain
// shows them.

func commonOptions() []*option.Spec {
	return []*option.Spec{option.ReceiveBuffer.Spec, option.SendBuffer.Spec}
}

func inetOptions() []*option.Spec {
	return append(commonOptions(), option.ReuseAddress.Spec, option.ReusePort.Spec, option.V6Only.Spec, option.BindAddressNoPort.Spec, option.FreeBind.Spec, option.Transparent.Spec,
		option.Device.Spec, option.Mark.Spec, option.Priority.Spec, option.MaxPacingRate.Spec, option.TypeOfService.Spec, option.TTL.Spec, option.MTUDiscovery.Spec, option.IncomingCPU.Spec, option.BusyPoll.Spec)
}

func tcpOptions() []*option.Spec {
	return append(inetOptions(), option.NoDelay.Spec, option.KeepAlive.Spec, option.KeepAliveIdle.Spec, option.KeepAliveInterval.Spec, option.KeepAliveCount.Spec,
		option.Linger.Spec, option.UserTimeout.Spec, option.OOBInline.Spec, option.FastOpen.Spec, option.FastOpenConnect.Spec, option.DeferAccept.Spec, option.Congestion.Spec,
		option.MaxSegment.Spec, option.Cork.Spec, option.NotSentLowWater.Spec, option.QuickAck.Spec)
}

func udpOptions() []*option.Spec {
	return append(inetOptions(), option.AnyPort.Spec, option.UDPGSO.Spec, option.Broadcast.Spec, option.JoinGroup.Spec, option.MulticastInterface.Spec, option.MulticastTTL.Spec, option.MulticastLoop.Spec, option.MulticastAll.Spec,
		option.ReceivePacketInfo.Spec, option.ReceiveHopLimit.Spec, option.ReceiveTrafficClass.Spec, option.Timestamps.Spec)
}

func rawOptions() []*option.Spec {
	return append(commonOptions(), option.Broadcast.Spec, protocolOption.Spec, option.Device.Spec, option.Mark.Spec, option.Priority.Spec, option.TypeOfService.Spec, option.TTL.Spec)
}

func vsockOptions() []*option.Spec { return commonOptions() }

func unixOptions(t socket.Type) []*option.Spec {
	if t == socket.Stream {
		return append(commonOptions(), option.OOBInline.Spec)
	}
	return commonOptions()
}
