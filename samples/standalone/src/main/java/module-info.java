/** The {@code longhorn} command: command line and wiring only, every decision is in the library. */
module io.longhorn.standalone {
  requires info.picocli;
  requires io.longhorn.engine;
  requires io.longhorn.orchestration;
  requires io.longhorn.replica;
  requires java.logging;
  requires static org.jspecify;

  opens io.longhorn.standalone to
      info.picocli;
  opens io.longhorn.standalone.demo to
      info.picocli;
}
