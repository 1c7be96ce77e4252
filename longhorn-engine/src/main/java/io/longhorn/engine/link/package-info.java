/**
 * Connections to replicas: frames over a socket, or handed over inside this JVM. Shell: encodes,
 * checks CRCs, keeps what is unanswered; what an answer means is decided elsewhere.
 */
@NullMarked
package io.longhorn.engine.link;

import org.jspecify.annotations.NullMarked;
