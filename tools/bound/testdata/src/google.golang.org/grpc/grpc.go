package grpc

func NewClient(target string) {}

func NewServer() {}
