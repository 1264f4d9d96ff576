module jzx-bench-go

go 1.19
