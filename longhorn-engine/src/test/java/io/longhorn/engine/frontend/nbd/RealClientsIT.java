package io.longhorn.engine.frontend.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.engine.client.Extent;
import io.longhorn.engine.client.NbdClient;
import io.longhorn.engine.transport.Endpoint;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The clients that people use, against a server over a volume in memory: nbdinfo, nbdcopy, libnbd's
 * Python, qemu-io, qemu-img, fio. A tool that is missing fails the test.
 */
@Timeout(300)
class RealClientsIT {
  private static final int MIB = 1 << 20;
  private static final int SIZE = 128 * MIB;
  private static final long TOOL_SECONDS = 120;

  /** Debian's, which has libnbd's module; another Python on PATH may not. */
  private static final String PYTHON = "/usr/bin/python3";

  @TempDir Path directory;
  private MemoryServer server;

  @BeforeEach
  void start() {
    server = new MemoryServer(new Endpoint.Unix(directory.resolve("nbd.sock")), SIZE);
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private String run(String... command) throws IOException, InterruptedException {
    Path output = directory.resolve("output");
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .directory(directory.toFile())
            .start();
    boolean isDone = process.waitFor(TOOL_SECONDS, TimeUnit.SECONDS);
    if (!isDone) {
      process.destroyForcibly().waitFor();
    }
    String text = Files.readString(output, StandardCharsets.ISO_8859_1);
    assertThat(isDone).as("%s in time: %s", Arrays.toString(command), text).isTrue();
    assertThat(process.exitValue()).as("%s: %s", Arrays.toString(command), text).isZero();
    return text;
  }

  private Path randomFile(String name, int size) throws IOException {
    byte[] bytes = new byte[size];
    new Random(7).nextBytes(bytes);
    Arrays.fill(bytes, size / 4, size / 2, (byte) 0);
    return Files.write(directory.resolve(name), bytes);
  }

  @Test
  void nbdinfoSeesAWritableDiskThatCanDoEverything() throws Exception {
    String json = run("nbdinfo", "--json", server.server.uri());
    for (String can :
        List.of("flush", "fua", "trim", "zero", "fast_zero", "df", "multi_conn", "cache")) {
      assertThat(json).contains("\"can_" + can + "\": true");
    }
    assertThat(json)
        .contains("\"is_read_only\": false")
        .contains("\"is_rotational\": false")
        .contains("\"base:allocation\"")
        .contains("\"export-size\": " + SIZE)
        .contains("\"block_size_minimum\": 1")
        .contains("\"block_size_preferred\": 4096")
        .contains("\"block_size_maximum\": 33554432");
    assertThat(run("nbdinfo", "--list", server.server.uri()))
        .contains("vol-1")
        .contains("in memory");
  }

  @Test
  void nbdinfoMapsWhatIsAllocated() throws Exception {
    try (NbdClient client = server.client()) {
      client.write(MIB, java.lang.foreign.MemorySegment.ofArray(new byte[MIB]));
      assertThat(client.extents(MIB, MIB)).containsExactly(new Extent(MIB, MIB, false, false));
    }
    String map = run("nbdinfo", "--map", server.server.uri());
    assertThat(map.lines().map(line -> line.trim().split("\\s+")[1]))
        .containsExactly("1048576", "1048576", String.valueOf(SIZE - 2 * MIB));
  }

  @Test
  void nbdcopyWithFourConnectionsBothWays() throws Exception {
    Path source = randomFile("source", SIZE);
    Path target = directory.resolve("target");
    String uri = server.server.uri();
    run("nbdcopy", "--connections=4", "--flush", source.toString(), uri);
    run("nbdcopy", "--connections=4", uri, target.toString());
    assertThat(Files.mismatch(source, target)).isEqualTo(-1);
    try (NbdClient client = server.client()) {
      assertThat(client.extents(SIZE / 4, SIZE / 4).getFirst().isZero()).isTrue();
    }
  }

  @Test
  void qemuImgConvertsComparesAndMaps() throws Exception {
    Path source = randomFile("source", SIZE);
    String uri = server.server.uri();
    run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", source.toString(), uri);
    run("qemu-img", "compare", "-f", "raw", "-F", "raw", source.toString(), uri);
    assertThat(run("qemu-img", "map", "--output=json", "-f", "raw", uri))
        .contains("\"zero\": true");
    run("qemu-img", "bench", "-f", "raw", "-c", "2000", "-d", "32", "-s", "65536", uri);
    run("qemu-img", "bench", "-f", "raw", "-w", "-c", "2000", "-d", "32", "-s", "4096", uri);
  }

  @Test
  void qemuIoWritesZeroesDiscardsAndFlushes() throws Exception {
    String text =
        run(
            "qemu-io",
            "-f",
            "raw",
            server.server.uri(),
            "-c",
            "write -P 0x11 0 1M",
            "-c",
            "write -f -P 0x22 1000 3000",
            "-c",
            "write -z -u 64k 64k",
            "-c",
            "write -z 200k 1000",
            "-c",
            "write -z -u -n 4k 4k",
            "-c",
            "discard 512k 128k",
            "-c",
            "flush",
            "-c",
            "read -P 0x22 1000 3000",
            "-c",
            "read -P 0x11 0 1000",
            "-c",
            "read -P 0 64k 64k",
            "-c",
            "read -P 0 200k 1000",
            "-c",
            "read -P 0 512k 128k",
            "-c",
            "map");
    assertThat(text).doesNotContain("Pattern verification failed").doesNotContain("failed");
    assertThat(server.disk.bytes[0]).isEqualTo((byte) 0x11);
  }

  @Test
  void libnbdSendsWhatIsNotAllowedAndEveryCommandThatIs() throws Exception {
    Path script = directory.resolve("script.py");
    Files.writeString(script, SCRIPT);
    String text = run(PYTHON, script.toString(), server.server.uri());
    assertThat(text).endsWith("all right\n");
  }

  private static final String SCRIPT =
      """
      import errno, nbd, sys

      uri = sys.argv[1]
      h = nbd.NBD()
      h.set_strict_mode(0)
      h.add_meta_context("base:allocation")
      h.connect_uri(uri)
      size = h.get_size()

      def fails(number, call, *args):
          try:
              call(*args)
          except nbd.Error as e:
              assert e.errnum == number, (e.errnum, number, call, args)
          else:
              raise AssertionError((call, args))

      fails(errno.EINVAL, h.pread, 512, size)
      fails(errno.EINVAL, h.pread, 512, size - 511)
      fails(errno.ENOSPC, h.pwrite, b"x" * 4096, size)
      fails(errno.ENOSPC, h.pwrite, b"x" * 100000, size - 99999)
      fails(errno.ENOSPC, h.zero, 4096, size - 4095)
      fails(errno.EINVAL, h.trim, 4096, size)
      fails(errno.EINVAL, h.cache, 4096, size)
      fails(errno.EINVAL, h.block_status, 4096, size, lambda *a: 0)
      fails(errno.EINVAL, h.pread, 512, 0, 1 << 5)
      fails(errno.EINVAL, h.pwrite, b"y" * 70000, 0, nbd.CMD_FLAG_NO_HOLE)
      fails(errno.ENOTSUP, h.zero, 4096, 0, nbd.CMD_FLAG_FAST_ZERO | nbd.CMD_FLAG_NO_HOLE)
      fails(errno.EOVERFLOW, h.pread, 1 << 20, 0, nbd.CMD_FLAG_DF)
      h.pwrite(b"hello", 12345)
      assert h.pread(5, 12345) == b"hello"
      h.pwrite(b"fua", 99, nbd.CMD_FLAG_FUA)
      h.zero(10000, 12340, nbd.CMD_FLAG_FUA)
      assert h.pread(10005, 12339) == b"\\0" * 10005
      h.zero(1 << 20, 0, nbd.CMD_FLAG_FAST_ZERO)
      h.trim(1 << 20, 1 << 20, nbd.CMD_FLAG_FUA)
      h.cache(1 << 20, 0)
      h.flush(nbd.CMD_FLAG_FUA)
      assert len(h.pread(65536, 100000, nbd.CMD_FLAG_DF)) == 65536

      seen = []
      def chunk(buf, offset, status, err):
          seen.append((offset, len(buf), status))
          return 0
      h.pread_structured(1 << 20, 4096, chunk)
      assert sum(n for _, n, _ in seen) == 1 << 20

      extents = []
      def extent(context, offset, entries, err):
          extents.extend(entries)
          return 0
      h.pwrite(b"z" * 4096, 8192)
      h.block_status(65536, 0, extent)
      assert len(extents) >= 2, extents
      del extents[:]
      h.block_status(65536, 8192, extent, nbd.CMD_FLAG_REQ_ONE)
      assert extents == [4096, 0], extents

      def finished(err):
          return 1

      buffers = [nbd.Buffer(65536) for _ in range(64)]
      for i, b in enumerate(buffers):
          h.aio_pread(b, i * 65536, finished)
      while h.aio_in_flight() > 0:
          h.poll(-1)
      h.shutdown()

      o = nbd.NBD()
      o.set_opt_mode(True)
      o.set_full_info(True)
      o.connect_uri(uri)
      names = []
      o.opt_list(lambda name, description: names.append((name, description)) or 0)
      assert names == [("vol-1", "in memory")], names
      o.set_export_name("nothing")
      try:
          o.opt_info()
          raise AssertionError("no such export")
      except nbd.Error:
          pass
      o.set_export_name("")
      o.opt_info()
      assert o.get_canonical_export_name() == "vol-1"
      contexts = []
      o.opt_list_meta_context(lambda name: contexts.append(name) or 0)
      assert contexts == ["base:allocation"], contexts
      o.opt_go()
      assert o.get_size() == size
      o.shutdown()

      s = nbd.NBD()
      s.set_request_structured_replies(False)
      s.connect_uri(uri)
      s.pwrite(b"q" * (4 << 20), 777)
      assert s.pread(4 << 20, 777) == b"q" * (4 << 20)
      assert not s.can_df()
      s.shutdown()
      print("all right")
      """;

  @Test
  void fioVerifiesWhatItWroteAtDepth() throws Exception {
    for (String size : List.of("4k", "64k", "1m")) {
      run(
          "fio",
          "--name=verify",
          "--ioengine=nbd",
          "--uri=" + server.server.uri(),
          "--rw=randwrite",
          "--bs=" + size,
          "--iodepth=32",
          "--size=64m",
          "--verify=crc32c",
          "--verify_fatal=1",
          "--fsync=64",
          "--randrepeat=1");
    }
    run(
        "fio",
        "--name=trims",
        "--ioengine=nbd",
        "--uri=" + server.server.uri(),
        "--rw=randtrimwrite",
        "--bs=8k",
        "--iodepth=16",
        "--size=32m");
  }
}
