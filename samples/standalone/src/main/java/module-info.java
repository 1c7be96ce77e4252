/** The {@code longhorn} command: command line and wiring only, every decision is in the library. */
module io.longhorn.standalone {
  requires com.fasterxml.jackson.core;
  requires com.fasterxml.jackson.databind;
  requires com.fasterxml.jackson.dataformat.yaml;
  requires info.picocli;
  requires io.longhorn.engine;
  requires io.longhorn.orchestration;
  requires io.longhorn.replica;
  requires java.logging;
  requires static org.jspecify;

  opens io.longhorn.standalone to
      info.picocli;
  opens io.longhorn.standalone.cluster to
      info.picocli;
  opens io.longhorn.standalone.demo to
      info.picocli;
  opens io.longhorn.standalone.report to
      com.fasterxml.jackson.databind;
  opens io.longhorn.standalone.volume to
      info.picocli;
}
