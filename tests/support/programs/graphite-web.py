"""Serves graphite-web on a loopback port: its WSGI application under the standard library's server.

Usage: graphite-web.py PORT, with the environment that graphite-web's settings want."""
import os
import socketserver
import sys
import wsgiref.simple_server

from graphite.wsgi import application


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


wsgiref.simple_server.make_server("127.0.0.1", int(sys.argv[1]), application, server_class=Server).serve_forever()
