# Runs verified? over docs/signatures.json: ruby test_receiver.rb
require_relative "receiver"

vectors = JSON.parse(File.read(File.expand_path("../../../docs/signatures.json", __dir__), encoding: "UTF-8")).fetch("vectors")
wrong = vectors.reject { |v| verified?(v["secret"], v, v["body"], v["now"]) == v["valid"] }
abort "wrong verdict: #{wrong.map { |v| v["name"] }.join(", ")}" if wrong.any?
puts "#{vectors.length} vectors"
