// SPDX-License-Identifier: Apache-2.0
// The page is made in the reader's browser, by a script in the page, from the JSON report in the page. The script puts
// texts in as texts only, and the policy lets nothing else run: no other script, no handler, no style, no request.
#include <string>

#include "millrace/base/digest.h"
#include "millrace/base/fields.h"
#include "millrace/base/ids.h"
#include "millrace/report/formats.h"
#include "millrace/report/page.h"
#include "millrace/report/text.h"
#include "millrace/wire/base64.h"

namespace millrace::report {
namespace {

// JSON stays the same and can end no element: these stand in strings only.
std::string EscapeForScript(std::string_view json) {
  std::string escaped;
  escaped.reserve(json.size());
  for (std::size_t i = 0; i < json.size(); ++i) {
    switch (json[i]) {
      case '<': escaped += "\\u003c"; break;
      case '>': escaped += "\\u003e"; break;
      case '&': escaped += "\\u0026"; break;
      default: escaped += json[i];
    }
  }
  return escaped;
}

std::string SourceOf(std::string_view text) { return "'sha256-" + wire::EncodeBase64(Sha256(text).view()) + "'"; }

}  // namespace

std::string HtmlPage(const RunReport& report) {
  const RunView& run = report.run.view;
  const std::string title = EscapeXml(run.name + ": run " + RunName(run.run) + " " + std::string(EnumName(run.state)));
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri 'none'; form-action 'none'; "
      "style-src ";
  page += SourceOf(PageStyle()) + "; script-src " + SourceOf(PageScript()) + "\">\n";
  page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" + title + "</title>\n";
  page += "<style>" + std::string(PageStyle()) + "</style>\n</head>\n";
  page += PageBody();
  page += "<script type=\"application/json\" id=\"data\">" + EscapeForScript(JsonReport(report)) + "</script>\n";
  page += "<script>" + std::string(PageScript()) + "</script>\n</body>\n</html>\n";
  return page;
}

}  // namespace millrace::report
