// The other side of the Workload API benchmark: a grpc-go server of the same service, answering the
// same messages, and the load for both.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func main() {
	switch os.Args[1] {
	case "serve":
		serve(os.Args[2], os.Args[3], os.Args[4])
	case "load":
		load(os.Args[2], os.Args[3], os.Args[4])
	case "record":
		record(os.Args[2], os.Args[3], os.Args[4])
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type server struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	x509 *workload.X509SVIDResponse
	jwt  *workload.JWTSVIDResponse
}

func admit(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	if values := md.Get("workload.spiffe.io"); len(values) != 1 || values[0] != "true" {
		return status.Error(codes.InvalidArgument, "security header missing")
	}
	return nil
}

func (s *server) FetchX509SVID(_ *workload.X509SVIDRequest, stream grpc.ServerStreamingServer[workload.X509SVIDResponse]) error {
	if err := admit(stream.Context()); err != nil {
		return err
	}
	if err := stream.Send(s.x509); err != nil {
		return err
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

func (s *server) FetchJWTSVID(ctx context.Context, _ *workload.JWTSVIDRequest) (*workload.JWTSVIDResponse, error) {
	if err := admit(ctx); err != nil {
		return nil, err
	}
	return s.jwt, nil
}

// serve answers what was recorded; a line on standard input asks for a collection.
func serve(socket, x509File, jwtFile string) {
	s := &server{x509: &workload.X509SVIDResponse{}, jwt: &workload.JWTSVIDResponse{}}
	read := func(file string, into proto.Message) {
		bytes, err := os.ReadFile(file)
		check(err)
		check(proto.Unmarshal(bytes, into))
	}
	read(x509File, s.x509)
	read(jwtFile, s.jwt)
	listener, err := net.Listen("unix", socket)
	check(err)
	g := grpc.NewServer()
	workload.RegisterSpiffeWorkloadAPIServer(g, s)
	go func() { check(g.Serve(listener)) }()
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		debug.FreeOSMemory()
		fmt.Println("collected")
	}
}

func dial(socket string) *grpc.ClientConn {
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	return conn
}

func outgoing() context.Context {
	return metadata.AppendToOutgoingContext(context.Background(), "workload.spiffe.io", "true")
}

// record keeps what a server answers, so that the other one answers the same.
func record(socket, x509File, jwtFile string) {
	client := workload.NewSpiffeWorkloadAPIClient(dial(socket))
	stream, err := client.FetchX509SVID(outgoing(), &workload.X509SVIDRequest{})
	check(err)
	x509, err := stream.Recv()
	check(err)
	jwt, err := client.FetchJWTSVID(outgoing(), &workload.JWTSVIDRequest{Audience: []string{"bench"}})
	check(err)
	write := func(file string, message proto.Message) {
		bytes, err := proto.Marshal(message)
		check(err)
		check(os.WriteFile(file, bytes, 0o600))
	}
	write(x509File, x509)
	write(jwtFile, jwt)
}

type result struct {
	Calls   int     `json:"calls"`
	Seconds float64 `json:"seconds"`
	P50us   float64 `json:"p50us"`
	P99us   float64 `json:"p99us"`
}

func load(mode, amount, sockets string) {
	all := strings.Split(sockets, ",")
	number, err := strconv.ParseFloat(amount, 64)
	check(err)
	switch mode {
	case "serial":
		report(rawCalls(all[0], 1, number))
	case "flight":
		report(rawCalls(all[0], 64, number))
	case "client":
		report(calls(dial(all[0]), 64, number))
	case "connect":
		report(connects(all[0], number))
	case "streams":
		hold(all, int(number), 1)
	case "shared":
		hold(all, int(number), 60)
	}
}

func report(latencies []time.Duration, seconds float64) {
	slices.Sort(latencies)
	at := func(share float64) float64 {
		return float64(latencies[int(float64(len(latencies)-1)*share)].Nanoseconds()) / 1000
	}
	line, err := json.Marshal(result{len(latencies), seconds, at(0.5), at(0.99)})
	check(err)
	fmt.Println(string(line))
}

// calls makes unary calls, some at once, on one connection.
func calls(conn *grpc.ClientConn, atOnce int, seconds float64) ([]time.Duration, float64) {
	client := workload.NewSpiffeWorkloadAPIClient(conn)
	request := &workload.JWTSVIDRequest{Audience: []string{"bench"}}
	ctx := outgoing()
	_, err := client.FetchJWTSVID(ctx, request)
	check(err)
	start := time.Now()
	end := start.Add(time.Duration(seconds * float64(time.Second)))
	var wait sync.WaitGroup
	parts := make([][]time.Duration, atOnce)
	for index := range parts {
		wait.Go(func() {
			for before := time.Now(); before.Before(end); {
				_, err := client.FetchJWTSVID(ctx, request)
				check(err)
				now := time.Now()
				parts[index] = append(parts[index], now.Sub(before))
				before = now
			}
		})
	}
	wait.Wait()
	return slices.Concat(parts...), time.Since(start).Seconds()
}

// connects dials anew for every first SVID, as a workload that starts does.
func connects(socket string, seconds float64) ([]time.Duration, float64) {
	start := time.Now()
	end := start.Add(time.Duration(seconds * float64(time.Second)))
	var latencies []time.Duration
	for before := start; before.Before(end); {
		conn := dial(socket)
		stream, err := workload.NewSpiffeWorkloadAPIClient(conn).FetchX509SVID(outgoing(), &workload.X509SVIDRequest{})
		check(err)
		_, err = stream.Recv()
		check(err)
		check(conn.Close())
		now := time.Now()
		latencies = append(latencies, now.Sub(before))
		before = now
	}
	return latencies, time.Since(start).Seconds()
}

// hold opens streams, so many to a connection, says so, and keeps them until standard input ends.
func hold(sockets []string, streams, each int) {
	for index := 0; index < streams/each; index++ {
		client := workload.NewSpiffeWorkloadAPIClient(dial(sockets[index%len(sockets)]))
		for range each {
			stream, err := client.FetchX509SVID(outgoing(), &workload.X509SVIDRequest{})
			check(err)
			_, err = stream.Recv()
			check(err)
		}
	}
	fmt.Println("open")
	bufio.NewScanner(os.Stdin).Scan()
}
