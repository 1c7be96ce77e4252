package io.longhorn.samples.embedded;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.longhorn.engine.EmbeddedVolume;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;

/** Three directories in, one block device out. The argument is a directory to make them in. */
public final class EmbeddedSample {
  private EmbeddedSample() {}

  /** Makes a volume, writes, takes a snapshot, reads back. */
  public static void main(String[] args) {
    Path home = Path.of(args[0]);
    List<Path> disks = List.of(home.resolve("a"), home.resolve("b"), home.resolve("c"));
    EmbeddedVolume.create("notes", 64 << 20, disks);
    try (EmbeddedVolume volume = EmbeddedVolume.open("notes", disks)) {
      volume.write(4096, ByteBuffer.wrap("on three disks".getBytes(UTF_8)));
      volume.flush();
      volume.snapshot("first");
      ByteBuffer back = ByteBuffer.allocate(14);
      volume.read(4096, back);
      System.out.println(UTF_8.decode(back.flip()) + ": " + volume.status().inSync() + " in sync");
    }
  }
}
