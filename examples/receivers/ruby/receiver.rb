# A receiver of GenevaDrive webhooks: each step of a workflow arrives as a signed POST, and what this program
# answers decides what happens next. Ruby 3.0 or newer with WEBrick (part of Debian's ruby; else: gem install webrick).
#
#     WEBHOOK_SECRET=whsec_… PORT=9000 ruby receiver.rb
require "json"
require "openssl"
require "pstore"
require "webrick"

# Does the work of one step and says what happens next. An exception means: not done, try again later.
def perform(delivery)
  workflow, execution = delivery.fetch("data").values_at("workflow", "step_execution")
  step = execution.fetch("step_name")
  return {action: "complete"} if delivery["type"] != "step.perform" # a hook, which only asks whether the step may start

  canned = workflow.dig("data", "answers", step) # to try things out: data {"answers": {"send_reminder": {…}}}
  return canned if canned

  case step
  when "send_welcome_email", "send_reminder" then {action: "complete"} # send the mail to workflow["subject"]
  when "complete_onboarding" then {action: "complete", data: {onboarded: true}} # data is merged into the workflow's
  when "skip" then {action: "skip", reason: "not needed"}
  when "reattempt" then {action: "reattempt", wait: "PT5M"}
  when "pause" then {action: "pause", reason: "somebody should look at this"}
  when "cancel" then {action: "cancel", reason: "unsubscribed"}
  when "finish" then {action: "finish"}
  when "fail" then {action: "fail", error: {message: "card declined"}, retryable: true}
  else raise "this receiver does not know the step #{step}"
  end
end

# Standard Webhooks: one of the signatures must be ours, and the timestamp not five minutes off.
def verified?(secret, headers, body, now)
  id, timestamp, signatures = %w[webhook-id webhook-timestamp webhook-signature].map { |name| headers[name].to_s }
  return false if id.empty? || !timestamp.match?(/\A\d{1,12}\z/) || (now - timestamp.to_i).abs > 300

  key = secret.delete_prefix("whsec_").unpack1("m")
  ours = "v1," + [OpenSSL::HMAC.digest("SHA256", key, "#{id}.#{timestamp}.".b + body.b)].pack("m0")
  signatures.split(" ").any? { |given| OpenSSL.secure_compare(ours, given) }
end

# The stored answer, else that of the work. In an application: a table, written in the work's own transaction.
def answer_once(store, id, body)
  store.transaction do # one at a time; an exception leaves the file as it was
    next store[id] if store[id]

    answer = JSON.generate(perform(JSON.parse(body)))
    store[id] = answer if JSON.parse(answer)["action"] != "fail" # a failure is not remembered: the next attempt does the work
    answer
  end
end

if $PROGRAM_NAME == __FILE__
  secret, port = ENV["WEBHOOK_SECRET"].to_s, ENV.fetch("PORT", "9000").to_i
  abort "set WEBHOOK_SECRET to the server's secret, whsec_…" unless secret.start_with?("whsec_")
  store = PStore.new(ENV.fetch("ANSWERS", "answers.pstore"), true)
  store.ultra_safe = true # written beside and renamed
  started = -> { $stderr.puts "listening on http://127.0.0.1:#{port}" }
  server = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: port, StartCallback: started)
  server.mount_proc "/" do |request, response|
    body = request.body.to_s # raw: not parsed and written anew
    response.content_type = "application/json"
    response.status, response.body = if verified?(secret, request, body, Time.now.to_i)
      [200, answer_once(store, request["webhook-id"], body)]
    else
      [401, '{"error": "the signature is not valid"}']
    end
  rescue StandardError => error
    warn error.full_message
    response.status, response.body = 500, '{"error": "the step was not performed"}'
  end
  trap("INT") { server.shutdown }
  server.start
end
