package io.longhorn.standalone;

import io.longhorn.engine.client.NbdClient;
import io.longhorn.engine.client.NbdUri;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A small cluster from beginning to end in as few processes as there are roles, with everything
 * that starts slowly for want of being loaded: the build plays it once while each process records
 * its classes.
 */
final class Rehearsal {
  private static final int BLOCK_BYTES = 4096;

  private static final List<String> BEFORE =
      List.of(
          "--help",
          "volume attach --help",
          "up --detach --nodes 1",
          "status",
          "volume create rehearsal --size 16MiB --replicas 1",
          "volume attach rehearsal --node node-1 --nbd unix:");

  private static final List<String> AFTER =
      List.of(
          "volume get rehearsal",
          "volume get rehearsal -o json",
          "volume get rehearsal -o yaml",
          "snapshot create rehearsal scene",
          "snapshot ls rehearsal",
          "volume check rehearsal",
          "instance-manager ls",
          "node ls",
          "events",
          "volume detach rehearsal",
          "volume delete rehearsal",
          "down");

  private Rehearsal() {}

  /**
   * Plays it; exits with 1 at the first command that failed.
   *
   * @param words a directory for a socket
   */
  public static void main(String[] words) {
    String socket = words[0] + "/rehearsal.nbd";
    for (String scene : BEFORE) {
      play(scene.endsWith("unix:") ? scene + socket : scene);
    }
    try (NbdClient client =
        NbdClient.connect(NbdUri.parse("nbd+unix:///rehearsal?socket=" + socket))) {
      MemorySegment block = MemorySegment.ofArray(new byte[BLOCK_BYTES]);
      client.write(BLOCK_BYTES, block);
      client.flush();
      client.read(BLOCK_BYTES, block);
    }
    AFTER.forEach(Rehearsal::play);
    System.exit(0);
  }

  private static void play(String scene) {
    if (Longhorn.run(scene.split(" ")) != 0) {
      System.err.println("'" + scene + "' failed");
      System.exit(1);
    }
  }
}
