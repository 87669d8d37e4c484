// A grpc-go client of a workload socket. One command a run; its result is a line of JSON, several for
// a watch.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type result struct {
	Code    string `json:"code"`
	Message string `json:"message,omitempty"`
	Count   int    `json:"count,omitempty"`
	Text    string `json:"text,omitempty"`
}

func main() {
	command, target := os.Args[1], os.Args[2]
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16 << 20)),
	}
	if command == "authority" {
		options = append(options, grpc.WithAuthority(os.Args[3]))
	}
	connection, err := grpc.NewClient(target, options...)
	if err != nil {
		panic(err)
	}
	defer connection.Close()
	client := workload.NewSpiffeWorkloadAPIClient(connection)
	ctx := metadata.AppendToOutgoingContext(context.Background(), "workload.spiffe.io", "true", "a-bin", "\x00\xff\n")
	switch command {
	case "unary", "authority":
		validate(ctx, client, "audience")
	case "serial":
		for range 2000 {
			if _, err := client.FetchJWTSVID(ctx, &workload.JWTSVIDRequest{Audience: []string{"a"}}); err != nil {
				print(result{}, err)
				return
			}
		}
		print(result{Count: 2000}, nil)
	case "parallel":
		parallel(ctx, client)
	case "streams":
		streams(ctx, client)
	case "large":
		stream, err := client.FetchJWTBundles(ctx, &workload.JWTBundlesRequest{})
		if err != nil {
			panic(err)
		}
		total := 0
		for {
			message, err := stream.Recv()
			if err != nil {
				print(result{Count: total}, err)
				return
			}
			total += len(message.Bundles["spiffe://example.org"])
		}
	case "deadline":
		ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		stream, err := client.FetchX509Bundles(ctx, &workload.X509BundlesRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		if err == nil {
			_, err = stream.Recv()
		}
		print(result{}, err)
	case "oversized":
		validate(ctx, client, strings.Repeat("x", 70_000))
	case "largest":
		validate(ctx, client, strings.Repeat("x", 65_000))
	case "gzip":
		_, err := client.FetchJWTSVID(ctx, &workload.JWTSVIDRequest{}, grpc.UseCompressor(gzip.Name))
		print(result{}, err)
	case "unknown":
		print(result{}, connection.Invoke(ctx, "/no.such.Service/Method", &workload.JWTSVIDRequest{}, &workload.JWTSVIDResponse{}))
	case "watch":
		watch(ctx, client)
	}
}

func validate(ctx context.Context, client workload.SpiffeWorkloadAPIClient, audience string) {
	answer, err := client.ValidateJWTSVID(ctx, &workload.ValidateJWTSVIDRequest{Audience: audience, Svid: "b"})
	print(result{Text: answer.GetSpiffeId()}, err)
}

// 64 at a time, over one connection.
func parallel(ctx context.Context, client workload.SpiffeWorkloadAPIClient) {
	var group sync.WaitGroup
	errors := make(chan error, 64)
	for range 64 {
		group.Go(func() {
			for range 100 {
				if _, err := client.FetchJWTSVID(ctx, &workload.JWTSVIDRequest{Audience: []string{"a"}}); err != nil {
					errors <- err
					return
				}
			}
		})
	}
	group.Wait()
	select {
	case err := <-errors:
		print(result{}, err)
	default:
		print(result{Count: 6400}, nil)
	}
}

// A stream is opened, read once, and given up, as one-shot fetches do.
func streams(ctx context.Context, client workload.SpiffeWorkloadAPIClient) {
	for range 1000 {
		ctx, cancel := context.WithCancel(ctx)
		stream, err := client.FetchX509Bundles(ctx, &workload.X509BundlesRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		cancel()
		if err != nil {
			print(result{}, err)
			return
		}
	}
	print(result{Count: 1000}, nil)
}

// Says what comes, and comes back whenever a stream ends.
func watch(ctx context.Context, client workload.SpiffeWorkloadAPIClient) {
	for {
		stream, err := client.FetchX509Bundles(ctx, &workload.X509BundlesRequest{})
		for err == nil {
			var message *workload.X509BundlesResponse
			message, err = stream.Recv()
			if err == nil {
				print(result{Count: len(message.Bundles)}, nil)
			}
		}
		print(result{}, err)
		time.Sleep(100 * time.Millisecond)
	}
}

func print(line result, err error) {
	line.Code = status.Code(err).String()
	if err != nil {
		line.Message = status.Convert(err).Message()
	}
	encoded, _ := json.Marshal(line)
	fmt.Println(string(encoded))
}
