package interop

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

// The cases by which implementations of gRPC are tried with each other; one that fails ends
// the program.
func TestGRPC(t *testing.T) {
	cases := []func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption){
		interop.DoEmptyUnaryCall, interop.DoLargeUnaryCall, interop.DoClientStreaming, interop.DoServerStreaming,
		interop.DoPingPong, interop.DoEmptyStream, interop.DoTimeoutOnSleepingServer, interop.DoCancelAfterBegin,
		interop.DoCancelAfterFirstResponse, interop.DoCustomMetadata, interop.DoStatusCodeAndMessage, interop.DoSpecialStatusMessage,
	}
	overCarriers(t, func(t *testing.T, c *carrier) {
		server := grpc.NewServer()
		testgrpc.RegisterTestServiceServer(server, interop.NewTestServer())
		served := make(chan error, 1)
		go func() { served <- server.Serve(c) }()
		client, err := grpc.NewClient("passthrough:server", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return c.dial(ctx) }))
		if err != nil {
			t.Fatal(err)
		}
		for _, try := range cases {
			try(t.Context(), testgrpc.NewTestServiceClient(client))
		}
		interop.DoUnimplementedMethod(t.Context(), client)
		interop.DoUnimplementedService(t.Context(), testgrpc.NewUnimplementedServiceClient(client))
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		server.GracefulStop()
		if err := <-served; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
}
