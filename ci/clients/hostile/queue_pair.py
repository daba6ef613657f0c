"""A queue pair made by rdma-core's own Python binding, connected to a server's as WIRE.md's rule W24 says."""

import socket
import struct

import pyverbs.enums as e
from pyverbs.addr import GID, AHAttr, GlobalRoute
from pyverbs.cq import CQ
from pyverbs.device import Context
from pyverbs.mr import MR
from pyverbs.pd import PD
from pyverbs.qp import QP, QPAttr, QPCap, QPInitAttr
from pyverbs.wr import SGE, RecvWR, SendWR

RECEIVES = 128
# the client's window: board, reply slots, notice ring (engine/wire/src/layout.rs)
WINDOW_BYTES = 4096 + 64 * 512 + (4 << 20)


class Offered:
    """A queue pair that waits for its peer."""

    def __init__(self, device):
        self.context = Context(name=device)
        self.gid_index = next(entry.gid_index for entry in self.context.query_gid_table(64)
                              if entry.gid_type == e.IBV_GID_TYPE_ROCE_V2 and ":ffff:" in self.gid_at(entry.gid_index))
        self.domain = PD(self.context)
        self.region = MR(self.domain, WINDOW_BYTES, e.IBV_ACCESS_LOCAL_WRITE | e.IBV_ACCESS_REMOTE_WRITE)
        self.completions = CQ(self.context, 1024)
        capabilities = QPCap(max_send_wr=512, max_recv_wr=RECEIVES, max_send_sge=1, max_recv_sge=1)
        self.qp = QP(self.domain, QPInitAttr(qp_type=e.IBV_QPT_RC, scq=self.completions, rcq=self.completions, cap=capabilities), QPAttr(port_num=1))
        for _ in range(RECEIVES):
            self.qp.post_recv(RecvWR(num_sge=1, sg=[SGE(self.region.buf, 8, self.region.lkey)]))

    def gid_at(self, index):
        return str(self.context.query_gid(port_num=1, index=index))

    def endpoint(self):
        """As `ringway_verbs::Endpoint` lays it out."""
        gid = bytes.fromhex(self.gid_at(self.gid_index).replace(":", ""))
        return b"RWqp" + struct.pack("<BBBBB3xIIH2x", 1, 2, 5, 1, 1, self.qp.qp_num, 0, 0) + gid

    def window(self):
        """As `ringway_verbs::RemoteRegion`."""
        return struct.pack("<QQII", self.region.buf, self.region.length, self.region.rkey, 0)

    def close(self):
        for owned in (self.qp, self.completions, self.region, self.domain, self.context):
            owned.close()


class QueuePair:
    """Connected; writes the server's window."""

    def __init__(self, offered, theirs):
        self.offered = offered
        endpoint, window = bytes(theirs["endpoint"]), bytes(theirs["window"])
        self.address, self.length, self.key, _ = struct.unpack("<QQII", window)
        number, psn = struct.unpack("<II", endpoint[12:20])
        groups = endpoint[24:40].hex()
        gid = ":".join(groups[at:at + 4] for at in range(0, 32, 4))
        route = GlobalRoute(dgid=GID(gid), sgid_index=offered.gid_index)
        attributes = QPAttr(port_num=1)
        attributes.dest_qp_num, attributes.rq_psn, attributes.sq_psn = number, psn, 0
        attributes.path_mtu = min(5, endpoint[6])
        attributes.max_rd_atomic = attributes.max_dest_rd_atomic = 1
        attributes.min_rnr_timer, attributes.timeout, attributes.retry_cnt, attributes.rnr_retry = 12, 12, 3, 3
        attributes.ah_attr = AHAttr(gr=route, is_global=1, port_num=1)
        attributes.qp_access_flags = e.IBV_ACCESS_LOCAL_WRITE | e.IBV_ACCESS_REMOTE_WRITE
        offered.qp.to_rts(attributes)

    def write(self, offset, data, immediate):
        """RDMA WRITE WITH IMMEDIATE; waits until it was acknowledged, or has failed: returns whether it has."""
        region = self.offered.region
        region.write(data, len(data))
        request = SendWR(opcode=e.IBV_WR_RDMA_WRITE_WITH_IMM, num_sge=1, sg=[SGE(region.buf, len(data), region.lkey)],
                         imm_data=socket.htonl(immediate))
        request.set_wr_rdma(self.key, self.address + offset)
        self.offered.qp.post_send(request)
        for _ in range(1_000_000):
            _, done = self.offered.completions.poll(8)
            for completion in done:
                if completion.status != e.IBV_WC_SUCCESS:
                    return True
                if completion.opcode == e.IBV_WC_RDMA_WRITE:
                    return False
        raise TimeoutError("neither acknowledged nor failed")

    def close(self):
        self.offered.close()


def connect(connection, device, message, receive):
    """The client's part of rule W24, over the connection on which the lane was opened."""
    offered = Offered(device)
    theirs = receive(connection)["offer"]
    connection.sendall(message({"offer": {"endpoint": list(offered.endpoint()), "window": list(offered.window())}}))
    connected = QueuePair(offered, theirs)
    connection.sendall(message("ready"))
    answer = receive(connection)
    if answer != "ready":
        raise RuntimeError(f"the server's queue pair is not ready: {answer}")
    return connected
