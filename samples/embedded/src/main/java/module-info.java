/** A volume inside your own program: the whole use of the library in a few lines. */
module io.longhorn.samples.embedded {
  requires static org.jspecify;
  requires io.longhorn.engine;
}
