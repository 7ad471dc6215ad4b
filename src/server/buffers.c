#include "server/buffers.h"

#include "net/udp.h"

#include <stdio.h>

bool buffers_describe(const char *sysctl, size_t granted, char ret_text[BUFFERS_TEXT_SIZE])
{
    if (granted >= UDP_SOCKET_BUFFER) {
        snprintf(ret_text, BUFFERS_TEXT_SIZE, "%s: media sockets get the %d bytes they ask for",
                 sysctl, UDP_SOCKET_BUFFER);
        return true;
    }
    snprintf(ret_text, BUFFERS_TEXT_SIZE,
             "%s: media sockets get %zu bytes, they need %d: large rooms lose packets in bursts; "
             "sysctl -w %s=%d, for good 90-tongke.conf in /etc/sysctl.d/",
             sysctl, granted, UDP_SOCKET_BUFFER, sysctl, UDP_SOCKET_BUFFER);
    return false;
}
