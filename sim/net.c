#include "sim/machine.h"
#include <errno.h>
#include <stdlib.h>
jzx__sim_net *jzx__sim_net_create(jzx_sim *sim)
{
    (void)sim;
    return NULL;
}
void jzx__sim_net_destroy(jzx__sim_net *net)
{
    (void)net;
}
int jzx__sim_socket_open(jzx_sim *s, int f)
{
    (void)s;
    (void)f;
    return -EMFILE;
}
int jzx__sim_socket_bind(jzx_sim *s, int fd, const struct sockaddr *a, socklen_t n)
{
    (void)s;
    (void)fd;
    (void)a;
    (void)n;
    return -EBADF;
}
int jzx__sim_socket_listen(jzx_sim *s, int fd, int b)
{
    (void)s;
    (void)fd;
    (void)b;
    return -EBADF;
}
int jzx__sim_socket_name(jzx_sim *s, int fd, struct sockaddr *a, socklen_t *n)
{
    (void)s;
    (void)fd;
    (void)a;
    (void)n;
    return -EBADF;
}
int jzx__sim_socket_accept(jzx_sim *s, int fd)
{
    (void)s;
    (void)fd;
    return -EBADF;
}
int jzx__sim_socket_connect(jzx_sim *s, int fd, const struct sockaddr *a, socklen_t n)
{
    (void)s;
    (void)fd;
    (void)a;
    (void)n;
    return -EBADF;
}
ssize_t jzx__sim_socket_receive(jzx_sim *s, int fd, void *to, size_t n)
{
    (void)s;
    (void)fd;
    (void)to;
    (void)n;
    return -EBADF;
}
ssize_t jzx__sim_socket_send(jzx_sim *s, int fd, const struct iovec *p, uint32_t n)
{
    (void)s;
    (void)fd;
    (void)p;
    (void)n;
    return -EBADF;
}
short jzx__sim_socket_poll(jzx_sim *s, int fd, short e)
{
    (void)s;
    (void)fd;
    (void)e;
    return 0;
}
int jzx__sim_socket_option(jzx_sim *s, int fd, int l, int n, const void *v, socklen_t z)
{
    (void)s;
    (void)fd;
    (void)l;
    (void)n;
    (void)v;
    (void)z;
    return 0;
}
int jzx__sim_socket_shutdown(jzx_sim *s, int fd, int h)
{
    (void)s;
    (void)fd;
    (void)h;
    return -EBADF;
}
int jzx__sim_socket_close(jzx_sim *s, int fd)
{
    (void)s;
    (void)fd;
    return -EBADF;
}
bool jzx__sim_net_step(jzx_sim *s)
{
    return jzx__sim_files_step(s);
}
uint64_t jzx__sim_net_next_ns(const jzx_sim *s)
{
    return jzx__sim_files_next_ns(s);
}
uint32_t jzx__sim_net_open(const jzx_sim *s)
{
    (void)s;
    return 0;
}
